export const HELP = `pnpm simulate [options]: your figures in, what your fleet would do out. On a virtual clock, with the product's own law.

Load
  --rate N              items per second (1000)
  --arrivals P          poisson (default), constant, bursty: a second at 1.8 or at 0.2 times the rate
  --backlog N           items that are there at the start (0), about so many unless --arrivals constant
  --burst X             X times the rate, from --burst-at S (30) for --burst-for S (20)
Fleet
  --consumers N         processes (4), each with --concurrency N flush slots (4); the product is the workers
  --algorithm A         elastic (default), interval, fixed
Downstream
  --latency-ms N        mean time of a flush of a full batch that does not queue (200)
  --latency-spread N    its spread: the standard deviation of its logarithm (0.3); 0: always the same
  --fixed-share N       share of it that does not depend on the number of items, 0 to 1 (0.5)
  --servers N           flushes that it works on at full speed at once (8)
  --discipline D        sharing (default): more of them share the servers; fifo: more of them queue
  --degradation N       how much capacity is lost per --servers flushes too many (0.1)
  --downstream-rate N   it answers 429 beyond so many flushes per second (no such limit), after --downstream-burst N of them
                        at once (those of a second, at least 1), and asks for a pause of --retry-after-ms N (1000)
Disturbance, from --disturb-at S (60) for --disturb-for S (20)
  --slowdown X          each flush takes X times longer; Infinity: nothing goes on
  --servers-left N      servers that are left
  --error-share N       share of the flushes that fail, 0 to 1
Options of the buffer, with the product's defaults
  --strategy S          block, drop_oldest, drop_newest, sample
  --batch-size N, --max-batch-size N, --max-buffer-size N, --low-watermark N, --high-watermark N, --hysteresis N,
  --max-block-time-ms N, --sample-rate N, --target-latency-ms N, --min-flush-interval-ms N, --max-flush-interval-ms N,
  --max-concurrent-flushes N, --max-flushes-per-second N, --flush-timeout-ms N, --max-attempts N
Run
  --duration S          virtual seconds (120)
  --seed N              the same seed and figures give the same report (1)
  --compare             no report, but the table of the elastic law beside its peers, on 200 random plants from --seed on
  --json                the report as one JSON line on stdout
  --help                this

Limited by "workers": more consumers would help; "downstream": they would not, or would do harm;
"maxConcurrentFlushes", "maxFlushesPerSecond": that option; "control": none of these, the law's own pace (as at its start).
Exit code 0: simulated. 2: an option is wrong.`;

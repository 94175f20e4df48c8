// A downstream with so many servers: flushes wait for a free one, first come first served, and take their time there.
import { createServer } from 'node:http';

/** Long beside the noise of a busy machine, which would read as a queue. */
const SERVICE_MS = 200;
let servers = Number(process.argv[2]);
let busy = 0;
const waiting = [];

function serve() {
  while (busy < servers && waiting.length > 0) {
    const response = waiting.shift();
    busy++;
    setTimeout(() => {
      busy--;
      response.end();
      serve();
    }, SERVICE_MS);
  }
}

process.on('message', (count) => {
  servers = count;
  serve();
});
process.on('disconnect', () => process.exit());
const server = createServer((request, response) => {
  request.resume();
  waiting.push(response);
  serve();
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));

/** What the victim's flush does. */
export type Scenario = 'work' | 'slow' | 'failing' | 'partial' | 'leaving';

const around = (...steps: readonly string[]) => steps.flatMap((step) => [`before ${step}`, `after ${step}`]);

/**
 * Every point from the start of a consumer to the end of its job at which it can die: before and after each call that it
 * makes, and each flush. In `work` eight items go in two batches, the second taken in the step that settles the first; the
 * other scenarios have the calls that it does not make.
 */
export const POINTS: Readonly<Record<Scenario, readonly string[]>> = {
  work: around(
    ...['configure 1', 'config 1', 'subscribe 1', 'sign of life 1', 'ring 1', 'free 1', 'take 1', 'ring 2'],
    ...['flush 1', 'settle 1', 'flush 2', 'settle 2', 'complete 1'],
  ),
  slow: around('extend 1'),
  failing: around('settle 1', 'fail 1'),
  partial: around('settle 1', 'fail 1'),
  leaving: around('settle 1', 'sign off 1'),
};

/** `before take 2` is of the kind `take`. */
export function kindOf(point: string): string {
  return point.replace(/^(before|after) | \d+$/g, '');
}

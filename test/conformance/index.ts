import { describe } from 'vitest';
import { describeAdmission } from './admission.js';
import { describeBreaker } from './breaker.js';
import { describeConfigure } from './configure.js';
import { describeControl } from './control.js';
import { describeDeadLetters } from './dead-letters.js';
import { describeDownstream } from './downstream.js';
import { describeFleet } from './fleet.js';
import { describeGate } from './gate.js';
import { describeLeases } from './leases.js';
import { describeLine } from './line.js';
import { describeOutage } from './outage.js';
import { describePace } from './pace.js';
import { describeRetryAfter } from './retry-after.js';
import type { OpenStore } from './rig.js';
import { describeSettle } from './settle.js';
import { describeStates } from './states.js';
import { describeStrategies } from './strategies.js';
import { describeTake } from './take.js';
import { describeTokens } from './tokens.js';

/** The rules of a buffer, for any store: each implementation runs through all of them. */
export function describeStore(name: string, open: OpenStore): void {
  describe(`${name} keeps the rules of a buffer`, () => {
    describeConfigure(open);
    describeAdmission(open);
    describeStrategies(open);
    describeLine(open);
    describeStates(open);
    describeRetryAfter(open);
    describeTokens(open);
    describeTake(open);
    describeSettle(open);
    describeLeases(open);
    describeControl(open);
    describePace(open);
    describeBreaker(open);
    describeOutage(open);
    describeDownstream(open);
    describeDeadLetters(open);
    describeGate(open);
    describeFleet(open);
  });
}

import type { BackpressureConfig } from './config.js';
import { type ConfigFields, configOfFields } from './config-fields.js';
import type { ConfigureRequest } from './store-port.js';

/**
 * Checks the whole that would be in force after a request, before it is written (I5): options that are valid in the
 * definition which states them need not be so together with those of another one.
 *
 * @throws ConfigError that lists every fault, with what the request gave and what is in force
 */
export function checkChange(name: string, request: ConfigureRequest, whole: ConfigFields): BackpressureConfig {
  const declares = request.action === 'declare';
  const given = declares ? request.stated : request.fields;
  const subject = `The ${declares ? 'definition' : 'change'} of buffer "${name}", with what is in force,`;
  return configOfFields(whole, subject, {
    isGiven: (option) => Object.hasOwn(given, option),
    otherwise: 'in force',
  });
}

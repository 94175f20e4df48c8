import { checkChange } from '../domain/check-change.js';
import type { BackpressureConfig } from '../domain/config.js';
import type { ConfigFields } from '../domain/config-fields.js';
import type { ConfigMismatch } from '../domain/errors.js';
import type { ConfigureReply, ConfigureRequest } from '../domain/store-port.js';

type Declaration = Extract<ConfigureRequest, { action: 'declare' }>;
type Patch = Extract<ConfigureRequest, { action: 'patch' }>;

/** What is declared, what is in force, and which options were changed at run time (I5). */
export class ConfigBook {
  readonly #name: string;
  #declared: ConfigFields;
  #effective: ConfigFields;
  #patched: ReadonlySet<string> = new Set();
  #config: BackpressureConfig;
  #version = 1;

  /** @throws ConfigError when the first declaration is not valid. */
  constructor(name: string, first: Declaration) {
    this.#name = name;
    this.#declared = { ...first.stated };
    this.#effective = { ...first.complete };
    this.#config = checkChange(name, first, this.#effective);
  }

  get config(): BackpressureConfig {
    return this.#config;
  }

  /** Rises when an option in force changes. */
  get version(): number {
    return this.#version;
  }

  /** @throws ConfigError when the whole would not be valid; nothing is changed then. */
  apply(request: ConfigureRequest): ConfigureReply {
    return request.action === 'patch' ? this.#patch(request) : this.#declare(request);
  }

  #declare(request: Declaration): ConfigureReply {
    const { stated, onConfigMismatch } = request;
    const mismatches: ConfigMismatch[] = [];
    const effective: Record<string, string> = { ...this.#effective };
    const declared: Record<string, string> = { ...this.#declared };
    const patched = new Set(this.#patched);
    for (const [option, text] of Object.entries(stated)) {
      const before = this.#declared[option];
      const differs = before !== undefined && before !== text;
      if (differs) mismatches.push({ option, declared: before, stated: text });
      if (before === text || (differs && onConfigMismatch !== 'apply')) continue;
      declared[option] = text;
      // A first statement does not undo what an operator has set; `apply` does.
      if (differs) patched.delete(option);
      if (!patched.has(option)) effective[option] = text;
    }
    if (onConfigMismatch === 'error' && mismatches.length > 0) return { kind: 'mismatch', mismatches };
    this.#put(effective, request);
    this.#declared = declared;
    this.#patched = patched;
    return { kind: 'ok', version: this.#version };
  }

  #patch(request: Patch): ConfigureReply {
    this.#put({ ...this.#effective, ...request.fields }, request);
    this.#patched = new Set([...this.#patched, ...Object.keys(request.fields)]);
    return { kind: 'ok', version: this.#version };
  }

  #put(effective: ConfigFields, request: ConfigureRequest): void {
    const changed = Object.entries(effective).some(([option, text]) => this.#effective[option] !== text);
    if (!changed) return;
    this.#config = checkChange(this.#name, request, effective);
    this.#effective = effective;
    this.#version++;
  }
}

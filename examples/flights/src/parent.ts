import type { ToChild } from './messages.js';

/** A child's end of the channel to the process that forked it. */
export interface Parent<Spec, Out> {
  readonly spec: Spec;
  /** Resolves once the message is on its way. */
  send(message: Out): Promise<void>;
  on(kind: ToChild['kind'], listener: () => void): void;
  /** Ends this process without an error. */
  leave(): void;
}

/**
 * Joins the parent. The parent alone answers signals: Ctrl-C in a terminal reaches every process of the group, and the
 * children must go on until they are told to stop. When the parent has died, by whatever means, so does the child.
 */
export function joinParent<Spec, Out extends { kind: string }>(): Parent<Spec, Out> {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit(1));
  if (process.send === undefined || process.argv[2] === undefined) {
    process.stderr.write('This is a part of the demo: run `npm start`.\n');
    process.exit(2);
  }
  const listeners = new Map<ToChild['kind'], () => void>();
  process.on('message', (message: ToChild) => listeners.get(message.kind)?.());
  return {
    spec: JSON.parse(process.argv[2]) as Spec,
    send: (message) =>
      new Promise((resolve) => {
        if (process.connected) process.send?.(message, () => resolve());
        else resolve();
      }),
    on: (kind, listener) => listeners.set(kind, listener),
    leave: () => process.exit(0),
  };
}

import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with "N passed, N failed" alone on its line: at exit, so after the coverage table. */
export default class TallyReporter implements Reporter {
  #passed = 0;
  #failed = 0;

  onInit(): void {
    process.once('exit', (code) => {
      // A run that dies outside any test (a setup that throws, a coverage threshold) is a failure too, and so is one
      // in which nothing ran.
      if (this.#failed === 0 && (code !== 0 || this.#passed === 0)) this.#failed = 1;
      if (this.#failed > 0) process.exitCode ||= 1;
      process.stdout.write(`${this.#passed} passed, ${this.#failed} failed\n`);
    });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    this.#passed = 0;
    this.#failed = errors.length;
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') this.#passed++;
        else if (state === 'failed') failedHere++;
      }
      // A file that breaks before its tests run (a syntax error, a failed import) counts once.
      if (failedHere === 0 && module.state() === 'failed') failedHere = 1;
      this.#failed += failedHere;
    }
  }
}

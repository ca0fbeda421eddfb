/**
 * SIGINT, SIGTERM and SIGHUP: as a rule they end this process at once, with the code that a shell expects. While a program
 * runs on the machine, they end the program first and leave the rest to whoever started it.
 */
const SIGNALS = [
  ['SIGHUP', 129],
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;

/** Set while work goes on that has its own way to end. */
let running: AbortController | undefined;
let code: number | undefined;

/** From here on, a signal runs the process's exit handlers, which end child processes and remove folders. */
export function exitOnSignals(): void {
  for (const [name, exitCode] of SIGNALS) {
    process.on(name, () => {
      if (!running) process.exit(exitCode);
      code = exitCode;
      running.abort();
    });
  }
}

/** Runs `work`; a signal aborts it. `interrupted`: the exit code that the signal stands for. */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ value: T; interrupted: number | undefined }> {
  running = new AbortController();
  code = undefined;
  try {
    const value = await work(running.signal);
    return { value, interrupted: code };
  } finally {
    running = undefined;
  }
}

/** Child programs of the setup: their output kept, their absence and failure told apart. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Problem } from './problem.ts';

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  /** Lines that the program writes to file descriptor 3. */
  status?: (line: string) => void;
  /** Lines of its standard output, as they come. */
  output?: (line: string) => void;
}

/** Debian package that brings a program that the setup calls. */
const PACKAGE: Record<string, string> = {
  'apt-get': 'apt',
  'apt-config': 'apt',
  dpkg: 'dpkg',
  'dpkg-deb': 'dpkg',
  du: 'coreutils',
  tar: 'tar',
};

/** Runs a program to its end; it does not outlive this process. Throws Problem when it is not installed; a non-zero exit code is the caller's business. */
export function command(file: string, args: string[], options: CommandOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe', options.status ? 'pipe' : 'ignore'],
    });
    const end = () => child.kill();
    process.on('exit', end);
    let stdout = '';
    let stderr = '';
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      stdout += text;
    });
    if (options.output) createInterface({ input: child.stdout! }).on('line', options.output);
    child.stderr?.setEncoding('utf8').on('data', (text) => {
      stderr += text;
    });
    const status = child.stdio[3];
    if (options.status && status && 'readable' in status) {
      createInterface({ input: status as NodeJS.ReadableStream }).on('line', options.status);
    }
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') return reject(error);
      const from = PACKAGE[file];
      const advice = from ? `; it comes with the package ${from} of Debian and Ubuntu, which Tyr builds on` : '';
      reject(new Problem(`the program ${file} is missing${advice}`));
    });
    child.on('close', (code, signal) => {
      process.off('exit', end);
      resolve({ code: code ?? 1, stdout, stderr: signal ? `${stderr}${file}: ended by ${signal}\n` : stderr });
    });
  });
}

/** Runs a program that has to succeed; its standard output. */
export async function mustRun(file: string, args: string[], options: CommandOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await command(file, args, options);
  if (code !== 0) {
    throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${(stderr.trim() || stdout.trim()).slice(-2000)}`);
  }
  return stdout;
}

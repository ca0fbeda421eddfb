/**
 * For tests: one whole machine that lives through everything its clients do, an account of what they have of it, and a
 * client beside that counts on its results.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HostClock } from '../../board/clock.ts';
import { recorder } from '../../board/log.ts';
import { MemfdBacking } from '../../host/memfd-backing.ts';
import { GuestServer } from '../../host/server.ts';
import { programStart } from '../../host/userland/start.ts';
import { ensureUserland, type Userland } from '../../host/userland/userland.ts';
import { Machine } from '../../machine/machine.ts';
import { type Client, client, killClients } from './transport.ts';
import { until } from './until.ts';

export type Place = 'host' | 'guest';

/** What this process has open, by its names in /proc. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').map((fd) => {
    try {
      return `${fd}:${readlinkSync(`/proc/self/fd/${fd}`)}`;
    } catch {
      // The one by which the folder was read.
      return fd;
    }
  });
}

export class LivingMachine {
  readonly machine: Machine;
  readonly server: GuestServer;
  readonly backing: MemfdBacking;
  readonly lines: string[];
  readonly #userland: Userland;
  readonly #home = mkdtempSync(join(tmpdir(), 'tyr-test-'));
  /** What the machine has when nobody has anything. */
  readonly #own: object;

  private constructor(
    userland: Userland,
    machine: Machine,
    server: GuestServer,
    backing: MemfdBacking,
    lines: string[],
  ) {
    this.#userland = userland;
    this.machine = machine;
    this.server = server;
    this.backing = backing;
    this.lines = lines;
    this.#own = this.account;
  }

  static async boot(): Promise<LivingMachine> {
    const userland = await ensureUserland();
    const { log, lines } = recorder();
    const backing = new MemfdBacking();
    const clock = new HostClock();
    const machine = await Machine.boot({ clock, backing, log, refresh: 'unlimited' });
    // Node keeps a descriptor from its first pipe on, and threads open files of their own until they are up.
    await client(['true'], process.env).ended;
    await machine.workers?.ready();
    const server = new GuestServer({
      nodes: machine.nodes,
      inputNodes: machine.inputNodes,
      backing,
      log,
      working: () => clock.working,
    });
    clock.attend(server);
    return new LivingMachine(userland, machine, server, backing, lines);
  }

  close(): void {
    killClients();
    this.server.close();
    this.machine.close();
    rmSync(this.#home, { recursive: true });
  }

  /** Everything that is counted, open descriptors of this process included. */
  get account(): object {
    const open = readdirSync('/proc/self/fd').length;
    return { machine: this.machine.usage, server: this.server.usage, open };
  }

  /** Nothing of any client is left, or will be very soon. */
  async clean(): Promise<void> {
    const own = JSON.stringify(this.#own);
    const left = (): string => JSON.stringify(this.account);
    await until(
      () => left() === own,
      () => `left behind: ${left()}, of its own: ${own}; descriptors: ${descriptors().join(' ')}`,
    );
    const bugs = this.lines.filter((line) => line.includes('at fault'));
    assert.deepEqual(bugs, []);
  }

  /** Starts a program of the guest by its name, or any by its path. Those of Mesa complain a lot when things go wrong. */
  start(program: string, ...args: string[]): Client {
    const environment = { ...this.server.environment, HOME: this.#home };
    const { file, args: all, env } = programStart(this.#userland, program, args, environment);
    return client([file, ...all], env, !program.includes('/'));
  }

  /** Starts one of the C clients of shim/test. */
  run(where: Place, name: string, ...args: string[]): Client {
    return this.start(this.#userland[where].clients[name]!, ...args);
  }

  /** MOV jobs, run after run, each checked by the client itself, until it is told to end: the number of jobs. */
  survivor(where: Place = 'host'): { end(): Promise<number> } {
    const rounds = 200;
    let done = 0;
    let wanted = true;
    const life = (async () => {
      do {
        const each = this.run(where, 'mov-job', '/dev/dri/renderD128', String(rounds));
        assert.equal(await each.ended, 0, `the survivor came to harm:\n${this.lines.slice(-20).join('\n')}`);
        assert.deepEqual(each.lines, [`mov-job: 0x${(0xcafe0000 + rounds - 1).toString(16)}`]);
        done += rounds;
      } while (wanted);
      return done;
    })();
    life.catch(() => {});
    return {
      end() {
        wanted = false;
        return life;
      },
    };
  }
}

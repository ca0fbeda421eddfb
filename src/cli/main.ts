/**
 * The command line: `tyr run`, `screen`, `input`, `status`, `top`, `suspend`, `vm`, `compare`, `setup`, `mesa build`, `doctor`, `test`, `bench`, `fuzz`, `conformance`, `disasm`,
 * `asm` and `decode`.
 *
 * Each command's work is in the file of its name; here are their options and help. Started by ./tyr.
 */
import '../mali/wasm/half-flag.ts';
import { setFlagsFromString } from 'node:v8';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { BOARD_GPU, GPU_NAMES } from '../abi/gpu/products.ts';
import { POLICIES, POLICY_NAMES } from '../driver/sched/policy.ts';
import { keepCompiledCode } from '../host/code-cache.ts';
import { cacheFolder, codeFolder } from '../host/userland/cache-folder.ts';
import { GUESTS } from '../host/userland/guests.ts';
import { Problem } from '../host/userland/problem.ts';
import { ROOT_WAYS } from '../host/userland/root-ways.ts';
import { ENGINES } from '../mali/engine/names.ts';
import { FAULTS, type FaultSwitch, parseFault } from '../mali/faults.ts';
import { workerCount } from '../mali/workers/count.ts';
import { exitOnSignals } from './interrupts.ts';

// A job's objects live as long as the job. V8 takes those of short runs for lasting ones, allocates all later ones in its old
// generation, and then spends several times as long on collecting them.
setFlagsFromString('--no-allocation-site-pretenuring');
// Most of what a frame needs is run once a frame, and V8 would interpret it for the first seconds.
setFlagsFromString('--always-sparkplug');
// For the same reason: V8's mid-tier compiler is cheap and takes a function over after 400 calls, which are 400 frames.
setFlagsFromString('--invocation-count-for-maglev=100');
setFlagsFromString('--minimum-invocations-after-ic-update=100');
// What is compiled when a module is loaded is kept from run to run (host/code-cache.ts), so let it be all of it.
setFlagsFromString('--no-lazy');

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('it has to be a number above 0.');
  return value;
}

function count(text: string): number {
  const value = positive(text);
  if (!Number.isInteger(value)) throw new InvalidArgumentError('it has to be a whole number above 0.');
  return value;
}

function seed(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value >= 2 ** 32)
    throw new InvalidArgumentError('it has to be a whole number below 2^32.');
  return value;
}

const engine = () => new Option('--engine <name>', 'who runs shaders (default: wasm, or $TYR_ENGINE)').choices(ENGINES);

const gpu = () =>
  new Option('--gpu <name>', `which Mali the GPU is: ${GPU_NAMES.join(', ')} (default: ${BOARD_GPU})`).choices(
    GPU_NAMES,
  );

function workerOption(text: string): number {
  try {
    return workerCount(text);
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

const scheduler = () =>
  new Option(
    '--scheduler <policy>',
    `by which groups take turns on the GPU: ${POLICY_NAMES.map((name) => `${name}: ${POLICIES[name].says}`).join('; ')} (default: panthor)`,
  ).choices(POLICY_NAMES);

const workers = (otherwise = 'cores - 1, or $TYR_WORKERS') =>
  new Option(
    '--workers <n>',
    `threads beside the main one that draw; 0: none, all in order (default: ${otherwise})`,
  ).argParser(workerOption);

function displayMode(text: string): string {
  if (!/^[1-9]\d{2,3}x[1-9]\d{2,3}@[1-9]\d{0,2}$/.test(text)) {
    throw new InvalidArgumentError('it has to read like 1280x720@60.');
  }
  return text;
}

function assignment(text: string, earlier: Record<string, string>): Record<string, string> {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('it has to read like NAME=value.');
  return { ...earlier, [name]: value };
}

function fault(text: string, earlier: FaultSwitch[]): FaultSwitch[] {
  if (text === 'list') {
    for (const [kind, { layer, occasion, effect }] of Object.entries(FAULTS))
      console.log(`${kind.padEnd(16)} ${layer}, at ${occasion}: ${effect}`);
    console.log(
      'KIND@3: at the third occasion; KIND@2s, KIND@500ms: at the first one after so long; with + behind it: from then on',
    );
    process.exit(0);
  }
  try {
    return [...earlier, parseFault(text)];
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
}

function each(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

function list(text: string, earlier: string[] = []): string[] {
  return [...earlier, ...text.split(',').filter(Boolean)];
}

/**
 * Runs a command's work and ends with its exit code, whatever timers may still be pending; a Problem is one sentence and
 * code 1.
 */
async function finish(work: () => Promise<number>): Promise<never> {
  exitOnSignals();
  try {
    process.exit(await work());
  } catch (error) {
    console.error(error instanceof Problem ? `tyr: ${error.message}` : error);
    process.exit(1);
  }
}

export function commandLine(): Command {
  const tyr = new Command('tyr')
    .description(
      'A GPU driver for Arm Mali CSF GPUs in TypeScript, and the virtual Mali-G610 machine that it drives.\n' +
        'Runs unmodified Linux programs (Debian arm64, with their own Mesa) on that machine, on any Linux host.',
    )
    .enablePositionalOptions()
    .hook('preAction', () => {
      const folder = codeFolder(cacheFolder());
      const reason = keepCompiledCode(folder);
      if (reason !== undefined) console.error(`tyr: compiled code cannot be kept in ${folder}: ${reason}`);
    })
    .showHelpAfterError('(tyr --help, or tyr COMMAND --help, says more)')
    .addHelpText(
      'after',
      `
Examples:
  tyr run kmscube                                          a lit, turning cube, until Ctrl-C
  tyr run --frames 60 --screenshot cube.png -- kmscube -A  60 frames by atomic modesetting, the last one as a picture
  tyr run --json -- eglinfo -B                             which GPU Mesa finds
  tyr test                                                 all checks and tests

What it needs is set up by itself, in ~/.cache/tyr (or $XDG_CACHE_HOME/tyr): about 450 MB, without root.`,
    );

  tyr
    .command('run')
    .description('start the machine and run PROGRAM on it; ends with the program')
    .argument('<program>', 'a program of the guest (kmscube, eglinfo, vulkaninfo, glmark2-es2-drm …), or a path to one')
    .argument('[args...]', "the program's own arguments; put -- before PROGRAM to be sure that they stay its own")
    .option('--frames <n>', 'end the program cleanly after N page flips; the exit code is then 0', count)
    .option('--screenshot <file.png>', 'write what the display shows at the end')
    .option('--timeout <seconds>', 'end the program after so long; the exit code is then 124', positive)
    .option('--json', 'print one closing JSON object on standard output, everything else on standard error')
    .option('--mode <mode>', "the display's preferred mode, such as 1280x720@60", displayMode)
    .addOption(
      new Option('--refresh <rate>', "vertical blanks at the mode's rate, or as fast as frames come")
        .choices(['mode', 'unlimited'])
        .default('mode'),
    )
    .option('--env <name=value>', "set a variable in the program's environment (may be repeated)", assignment, {})
    .option(
      '--mesa <folder>',
      "run on this Mesa, an install prefix or meson's build folder, by the host's own architecture and without emulation",
    )
    .option('--native', 'the same, on the Mesa that `tyr mesa build` has made, with programs of the packages')
    .addOption(
      new Option(
        '--llvmpipe',
        "draw by Mesa's software renderer, without the GPU, with the packages' programs of the host's own architecture: to compare pictures with",
      ).conflicts(['mesa', 'native']),
    )
    .option('--guest <name>', `run PROGRAM in this guest: ${['base', ...Object.keys(GUESTS)].join(', ')}`)
    .option(
      '--packages <names>',
      'run PROGRAM in a guest with these Debian packages besides (a,b,c; may be repeated)',
      list,
    )
    .option('--suite <name>', "the Debian suite of the packages (default: the guest's, trixie)")
    .option('--share <folder>', 'a folder of this host in which the guest may write (may be repeated)', each)
    .option('--home <folder>', "the guest's home, which also keeps all else that it writes")
    .addOption(
      new Option(
        '--root <way>',
        "how the guest gets its files (default: namespaces, where this host's kernel allows it)",
      ).choices(ROOT_WAYS),
    )
    .option('--firmware <file>', 'boot the GPU with this mali_csffw.bin instead of the built-in image')
    .addOption(gpu())
    .addOption(engine())
    .addOption(workers())
    .option('--window', "open the screen's page in a browser of this host, as a window of its own where it can do that")
    .option('--no-screen', 'show the screen to nobody: no page, no VNC')
    .option('--input <file>', 'what a person does meanwhile: lines of a time and a command (tyr input --help)')
    .option('--record-input <file>', 'write down what people do meanwhile, for --input to do again')
    .option('--stdin', "pass this command's standard input on (a terminal is always passed on)")
    .option(
      '--decode <file>',
      'write down what the GPU executes: command streams, descriptors, shaders (docs/tools.md)',
    )
    .option(
      '--shaders <folder>',
      'keep the shader programs that the GPU is given, a file each, for tyr disasm (default: $TYR_SHADERS)',
    )
    .addOption(scheduler())
    .option(
      '--fault <kind@when>',
      'let a part of the GPU fail, so that the driver has to recover (may be repeated); --fault list: which there are',
      fault,
      [],
    )
    .option('--profile', 'say at the end what the run was bound by, in percent of the time')
    .option('-v, --verbose', "also show the driver's debug messages")
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The exit code is the program's; 128 + N if signal N ended it.
The program gets this command's environment, without what belongs to the host's desktop session (DISPLAY, XDG_*, LD_* …),
so MESA_DEBUG=1 tyr run … works.

Guests by name, each fetched when it is first used: ${Object.entries(GUESTS)
        .map(([name, { title }]) => `\n  ${name.padEnd(14)}${title}`)
        .join('')}
Alone, such a name is PROGRAM and runs what it says; with arguments, it is the program of that name in that guest.

A path to a program of this host's own architecture runs on the host, with the same devices.

--json prints: exitCode, frames (page flips), seconds, fps (between the first and the last flip), jobs (GPU jobs that
completed), gpuSeconds (in which the GPU had something to do), cpuSeconds (of all the program's processes), faults (GPU faults), gpu (the GPU's name, null if there is none) and gpuOpens (how often a program opened it).`,
    )
    .action(async (program, args, options) => {
      const { run } = await import('./run.ts');
      await finish(() => run(program, args, options));
    });

  tyr
    .command('screen')
    .description("print where a running machine's screen is seen: a page for a browser, and VNC")
    .argument('[pid]', 'of which `tyr run`, where there are several', count)
    .option('--window', 'open the page in a browser of this host')
    .action(async (pid, options) => {
      const { screen } = await import('./screen.ts');
      await finish(() => screen(pid, options));
    });

  tyr
    .command('input')
    .description('press keys, type, move, click, touch and steer on a running machine')
    .argument('<command>', 'key, type, move, moveby, click, button, scroll, touch, release, axis or pad')
    .argument('[words...]', 'what of it; ends when it is done')
    .option('--machine <pid>', 'of which `tyr run`, where there are several', count)
    .passThroughOptions()
    .allowUnknownOption()
    .addHelpText(
      'after',
      `
  key NAME[+NAME...] [down|up]    press keys together and let them go, or only one of both: key ctrl+c, key up down
  type TEXT                       as on a US keyboard; \\n, \\t and \\\\ are Enter, Tab and a backslash
  move X Y                        the pointer, to a place on the screen: 0..1 from left to right and top to bottom
  moveby DX DY                    the mouse, by its counts
  click [BUTTON [COUNT]]          left, right, middle, side or extra
  button BUTTON down|up
  scroll DX DY                    detents, to the right and down
  touch ID X Y                    put a finger down, or move it
  release ID                      lift it
  axis NAME VALUE                 of the game pad: x, y, rx, ry, hat0x, hat0y from -1 to 1; z and rz from 0 to 1
  pad BUTTON [down|up]            of the game pad: south, east, north, west, tl, tr, select, start, mode, thumbl, thumbr

Keys have Linux's names (KEY_* in linux/input-event-codes.h) in small letters.

A script for \`tyr run --input FILE\` has one command on each line, after its time: seconds since the program's start, or
after a plus since the line before. # begins a comment.
  2.5   move 0.5 0.1
  +0.1  click
  4     type ls -l\\n`,
    )
    .action(async (command, words, options) => {
      const { input } = await import('./input.ts');
      await finish(() => input([command, ...words], options));
    });

  tyr
    .command('vm')
    .description('boot a Linux kernel on a virtual machine with this GPU, and run PROGRAM there under its own driver')
    .argument('[program]', 'a program of the guest, or a path to an arm64 program or script of this host (default: sh)')
    .argument('[args...]', "the program's own arguments; put -- before PROGRAM to be sure that they stay its own")
    .addOption(
      new Option('--driver <name>', "which of the kernel's drivers is to drive the GPU")
        .choices(['panthor', 'tyr', 'none'])
        .default('panthor'),
    )
    .option(
      '--package <name>',
      "the kernel by its Debian package, PACKAGE or PACKAGE/SUITE (default: Debian's newest for trixie)",
    )
    .option('--kernel <image>', 'a kernel of your own instead: its arm64 Image')
    .option(
      '--modules <folder>',
      "the folder of that kernel's modules (lib/modules/VERSION); without it all has to be built in",
    )
    .option('--packages <names>', "Debian packages that the guest's tree has besides (a,b,c; may be repeated)", list)
    .option('--smp <n>', 'processors', count, 1)
    .option('--memory <megabytes>', 'memory', count, 1024)
    .option('--share <folder>', 'a folder of this host that the program has as /share, and starts in')
    .option('--append <text>', "more of the kernel's command line")
    .option('--env <name=value>', "set a variable in the program's environment (may be repeated)", assignment, {})
    .option('--firmware <file>', "the GPU's firmware image (default: Debian's mali_csffw.bin)")
    .option(
      '--fault <kind@when>',
      'let a part of the GPU fail, counted from when the driver is up (may be repeated); --fault list: which there are',
      fault,
      [],
    )
    .option(
      '--timeout <seconds>',
      'end the machine after so long, times not counted in which the host does not let it run; the exit code is then 124',
      positive,
    )
    .option('--dmesg <file>', "write the kernel's log")
    .option('--json', 'print one closing JSON object on standard output, everything else on standard error')
    .addOption(gpu())
    .addOption(engine())
    .addOption(workers())
    .option('--stdin', "pass this command's standard input on (a terminal is always passed on)")
    .option('-v, --verbose', "also show what the kernel writes on its serial console, and the machine's debug messages")
    .passThroughOptions()
    .addHelpText(
      'after',
      `
The kernel and its driver are real and unmodified; the GPU is the virtual Mali of \`tyr run\`, a vfio-user device of QEMU's.
There is a render node and no display. The exit code is the program's. docs/vm.md says more.

--json prints: exitCode, seconds, bootSeconds, gpuSeconds (until there was a render node, null: there is none), kernel, driver,
registerReads, registerWrites, interrupts, stoppedSeconds (for which the guest's time stood still, as the GPU was at work) and warnings
(lines of the kernel's log, but for what it always warns of).`,
    )
    .action(async (program, args, options) => {
      const { vm } = await import('./vm.ts');
      await finish(() => vm(program, args, options));
    });

  tyr
    .command('compare')
    .description(
      "make the same calls under Tyr and under a real kernel's panthor on the same GPU, and list what differs",
    )
    .argument(
      '[what...]',
      'files of calls (NAME.calls, docs/vm.md), a file of commands, a line each (NAME.programs), or a program and its arguments; put -- before it',
    )
    .option('--counters', 'what either driver asks of the GPU for the same work, as a table')
    .option(
      '--crowd <seconds>',
      'shares of 64 groups that always have work, and how soon a client of high priority is served beside them, as a table',
      count,
    )
    .option('--generate <n>', 'so many random sequences of calls', count)
    .option('--seed <n>', 'the number of the first of them', seed, 1)
    .addOption(
      new Option('--only <world>', 'in one of them, and print what came of each call').choices(['tyr', 'panthor']),
    )
    .addOption(scheduler())
    .option('--dmesg <file>', "write the kernel's log")
    .option('--log <file>', "write what Tyr's machine logs, and the GPU beside the kernel")
    .option('--privileged', "keep the superuser's capabilities, where there are any; they are given up otherwise")
    .option('--timeout <seconds>', 'end either world after so long', positive, 600)
    .passThroughOptions()
    .action(async (files, options) => {
      const { compare } = await import('./compare.ts');
      await finish(() => compare(files, options));
    });

  tyr
    .command('setup')
    .description('fetch and build what `run` needs, if it is not there yet')
    .argument('[guests...]', `guests to fetch now instead of at their first run: ${Object.keys(GUESTS).join(', ')}`)
    .option('--packages <names>', 'and a guest with these Debian packages (a,b,c; may be repeated)', list)
    .option('--suite <name>', 'the Debian suite of the packages (default: trixie)')
    .option('--list', 'say what is in the cache folder and how large it is, and do nothing')
    .option('--remove <names>', 'remove these guests or pieces of the list (a,b,c; may be repeated)', list)
    .option('--real-firmware', "also fetch Arm's mali_csffw.bin of architecture 10.8 from Debian's non-free-firmware")
    .addHelpText(
      'after',
      `
It fetches Debian packages from the mirror that this host's apt uses (or TYR_DEBIAN_MIRROR), checks their signatures, and
unpacks them into the cache folder; no root, no change to the host. Interrupted, it goes on where it stopped.`,
    )
    .action(async (guests, options) => {
      const { setup } = await import('./setup.ts');
      await finish(() => setup(guests, options));
    });

  const mesa = tyr.command('mesa').description('make a Mesa to run on');
  mesa
    .command('build')
    .description("build Mesa with Panfrost and PanVK alone for the host's own architecture; prints its prefix")
    .option('--suite <name>', "the Debian suite whose source and tools are taken (default: the guest's)")
    .option('--source <folder>', 'a checkout of Mesa to build instead; a second build compiles only what has changed')
    .option('--jobs <n>', 'compilers at a time (default: one for each core)', count)
    .addHelpText(
      'after',
      `
Compiler, meson and headers come from Debian packages in the cache folder (about 250 MB to fetch, 450 MB on disk), the result goes
there too. It takes some 10 minutes of processor time. Then: tyr run --mesa PREFIX -- PROGRAM.`,
    )
    .action(async (options) => {
      const { mesaBuild } = await import('./mesa.ts');
      await finish(() => mesaBuild(options));
    });

  tyr
    .command('status')
    .description("who uses a running machine's GPU and memory: clients, VMs, groups, buffers with labels")
    .option('--machine <pid>', 'of which `tyr run`, where there are several', count)
    .option('--json', 'one JSON object, with all numbers')
    .action(async (options) => {
      const { status } = await import('./status.ts');
      await finish(() => status(options));
    });

  tyr
    .command('top')
    .description("the clients of a running machine's GPU, the busiest first, until Ctrl-C")
    .option('--machine <pid>', 'of which `tyr run`, where there are several', count)
    .option('--interval <seconds>', 'from one look to the next (default: 1)', positive)
    .option('--count <n>', 'looks', count)
    .option('--json', 'a line of JSON a look')
    .action(async (options) => {
      const { top } = await import('./status.ts');
      await finish(() => top(options));
    });

  tyr
    .command('suspend')
    .description(
      'put a running machine to sleep: its programs stand still, and the GPU is switched off with its work saved',
    )
    .option('--machine <pid>', 'of which `tyr run`, where there are several', count)
    .option('--seconds <n>', 'for how long', positive, 5)
    .action(async (options) => {
      const { suspend } = await import('./status.ts');
      await finish(() => suspend(options));
    });

  tyr
    .command('doctor')
    .description('say what this host has and lacks')
    .action(async () => {
      const { doctor } = await import('./doctor.ts');
      await finish(() => doctor());
    });

  tyr
    .command('test')
    .description('set up everything, then run all checks and tests')
    .argument('[patterns...]', 'only tests whose file path contains one of these; no checks then')
    .addOption(workers('as each test says, or $TYR_WORKERS'))
    .option('--vm', 'also boot a virtual machine with a kernel of Debian and its panthor (fetches about 200 MB)')
    .option(
      '--desktop',
      'also run the tests that open a browser (this host has to have a Chromium), Weston, Firefox and a race (large to fetch)',
    )
    .addHelpText('after', '\nThe last line reads "N passed, N failed"; the exit code is 0 only if nothing failed.')
    .action(async (patterns, options) => {
      const { test } = await import('./test.ts');
      await finish(() => test(patterns, options));
    });

  tyr
    .command('bench')
    .description('measure; prints one line per metric')
    .argument(
      '<name>',
      'kmscube (frames of 1024x768), glmark2 (eight scenes of 800x600), ioctl (a round trip to the driver and back), ' +
        'submit (jobs and frames without pixels, in process); fairness (shares of the GPU under each scheduling policy); texture (nanoseconds a sample); raster (nanoseconds a pixel beside long shaders); vertex (nanoseconds a primitive up to the polygon list); compile (a shader up to its first warp); alu, memory (nanoseconds a thread of single instructions); compute (nanoseconds a thread of whole jobs)',
    )
    .option('--frames <n>', 'how many frames kmscube draws', count, 20)
    .option('--seconds <n>', "how long glmark2 draws each scene; 10 is glmark2's own default", count, 10)
    .addOption(engine())
    .addOption(workers())
    .addOption(
      new Option('--vs <rival>', 'run the same programs on the rival, in turn, and print the ratio').choices([
        'llvmpipe',
      ]),
    )
    .option('--native', 'kmscube and glmark2: programs of this host on the Mesa that `tyr mesa build` has made')
    .option('--markdown', 'print a table in Markdown instead')
    .option('--json', 'print one JSON object instead: bench, machine, results [{metric, value, unit}]')
    .action(async (name, options) => {
      const { bench } = await import('./bench.ts');
      await finish(() => bench(name, options));
    });

  tyr
    .command('fuzz')
    .description('look for bugs by random inputs; a finding is printed, and the exit code is 1')
    .addArgument(
      new Argument(
        '<what>',
        'random shaders, run by recompiled code and by the interpreter; random pictures, drawn by emitted code and by script; ' +
          'faults of the GPU, from which the driver has to recover; random ioctls of clients that mean harm; kills of clients that work',
      ).choices(['shaders', 'pixels', 'faults', 'ioctl', 'kills']),
    )
    .option('--seconds <n>', 'how long (default: 60, or as long as it takes with --count)', positive)
    .option('--count <n>', 'how many shaders, pictures, faults, ioctls or kills', count)
    .option('--seed <n>', 'the first seed; each shader, picture, fault or client takes the next one', seed, 0)
    .option('--jobs <n>', 'threads that try shaders or pictures', positive, 1)
    .action(async (what, options) => {
      if (what === 'faults') {
        const { fuzzFaults } = await import('./fuzz-faults.ts');
        await finish(() => fuzzFaults(options));
      }
      if (what === 'ioctl' || what === 'kills') {
        const { fuzzClients } = await import('./fuzz-clients.ts');
        await finish(() => fuzzClients(what, options));
      }
      const { fuzz } = await import('./fuzz.ts');
      await finish(() => fuzz(what, options));
    });

  tyr
    .command('disasm')
    .description(
      "shader instructions as text, in the syntax of Mesa's Valhall tools; `tyr asm` gives the same bytes back",
    )
    .argument('<file>', 'instructions of 8 bytes, one after the other; -: standard input')
    .option('--hex', 'the file is text: bytes in hexadecimal digits, with or without instructions behind them')
    .option('--bytes', "each instruction's bytes in front of it")
    .addHelpText(
      'after',
      `
Words that are no instruction, or that hold bits which no text gives, are written as .quad, with what they are behind them.`,
    )
    .action(async (file, options) => {
      const { disasm } = await import('./disasm.ts');
      await finish(() => disasm(file, options));
    });

  tyr
    .command('asm')
    .description('text as `tyr disasm` writes it, or as Mesa does, to the bytes of shader instructions')
    .argument('<file>', 'a line an instruction; -: standard input')
    .option('-o, --output <file>', 'where the bytes go; otherwise to standard output, as text if that is a terminal')
    .option('--bytes', 'write a listing: bytes as text, and what they are')
    .addHelpText(
      'after',
      `
A line may begin with a label (loop:) that a branch names (BRANCHZ.reconverge r0, offset:loop), or with the bytes of a listing,
which are skipped. // begins a comment, # at a line's begin does too. .quad 0x… is 64 bits as they are.`,
    )
    .action(async (file, options) => {
      const { asm } = await import('./disasm.ts');
      await finish(() => asm(file, options));
    });

  tyr
    .command('conformance')
    .description('run a test suite that others wrote; the exit code is 1 if a failure or a pass is new')
    .argument(
      '<suite>',
      'piglit, deqp-gles2, -gles3, -gles31, -egl, -vk; or merge, which joins the results of several folders',
    )
    .argument('[folders...]', 'of merge: folders that --out has filled')
    .option('--filter <re>', 'only tests whose name this regular expression matches')
    .option('--tests <file>', 'only tests that the file names, a line each as --list prints them, in its order')
    .option(
      '--shard <i/n>',
      "the I-th of N parts (default: as GitLab CI, Kubernetes or Slurm says in the job's environment)",
    )
    .addOption(engine())
    .option('--mesa <dir>', "run on this Mesa, as tyr run does; one of the host's architecture runs the host's piglit")
    .option('--native', "the same on the Mesa of the host's architecture that tyr mesa build makes")
    .option('--deqp <dir>', 'of deqp-*: build folder of dEQP, which you build from its source (docs/conformance.md)')
    .option('--out <dir>', 'where results go; a run that was stopped goes on from there (default: conformance-SUITE)')
    .option('--jobs <n>', 'machines at once (default: one for each core)', count)
    .option('--limit <seconds>', 'in which a test has to end (default: as the suite says)', positive)
    .option('--selection', 'only the fixed part that tyr test runs')
    .option('--per-group <n>', 'of each group (a row of the table) only so many tests, evenly spread over it', count)
    .option('--list', 'only print the names of the tests')
    .option('--page <file.md>', 'put the table into a page, between the lines that name the suite')
    .addHelpText(
      'after',
      `
DIR gets results.jsonl (a line a test as soon as it has ended), junit.xml, index.html and summary.md. What is known to fail, whose
it is and why stands in conformance/SUITE-mesa-VERSION.toml. Crash, hang, fault (of the GPU), leak (the machine still has something
of a program) and machine (it came to an end) are verdicts beside the suite's own.
On Kubernetes the job's template has to set JOB_COMPLETIONS, since only the index is told.`,
    )
    .action(async (suite, folders, options) => {
      const { conformance } = await import('./conformance.ts');
      await finish(() => conformance(suite, folders, options));
    });

  tyr.command('conformance-worker', { hidden: true }).action(async () => {
    const { work } = await import('../conformance/worker.ts');
    work(process);
  });

  tyr
    .command('decode')
    .description('command-stream instructions as text; `tyr run --decode FILE` also prints all that they point to')
    .argument('<file>', 'instructions of 8 bytes, one after the other; -: standard input')
    .option('--hex', 'the file is text: bytes in hexadecimal digits')
    .action(async (file, options) => {
      const { decode } = await import('./disasm.ts');
      await finish(() => decode(file, options));
    });

  return tyr;
}

if (import.meta.main) await commandLine().parseAsync();

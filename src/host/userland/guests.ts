/**
 * Guests by name. Each is data: Debian packages on top of the base guest's, the command that its name stands for, and
 * what the command's environment needs. Nothing else in the project knows these programs.
 */
import { SHIM_GUEST } from '../../abi/shim.ts';
import { Problem } from './problem.ts';
import { inSession, inSystem, SESSION } from './session.ts';

export interface NamedGuest {
  /** What it shows, for lists. */
  title: string;
  /** The guest whose packages these are, where another one's are enough. */
  of?: string;
  packages: string[];
  /** What `tyr run NAME` without arguments runs: a program of the guest and its arguments. */
  command: string[];
  /** Arguments after the name are the command's, too. Otherwise NAME with arguments is the program of that name. */
  takesArguments?: boolean;
  env?: Record<string, string>;
  /** It writes and runs what only a root of its own has room for, or what needs other users in that, too. */
  ownRoot?: boolean | 'users';
}

/** Packages that a guest is made of, under a name for its folder. */
export interface GuestChoice {
  name: string;
  packages: string[];
}

/** Weston on the machine's display, until its program ends; `$XDG_RUNTIME_DIR/wayland-1` is its socket. */
function onWeston(...program: string[]): string[] {
  const script = [
    // A busy machine may take longer over a picture than the 400 ms after which a held key repeats, and look at its release only then.
    'settings="$HOME/.config/weston.ini"',
    '[ -e "$settings" ] || { settings="$XDG_RUNTIME_DIR/weston.ini"; printf "[keyboard]\\nrepeat-delay=1500\\n" > "$settings"; }',
    // An X server's socket lies in /tmp, which is this host's where paths are looked up (TYR_GUEST).
    `xwayland=; [ -n "$${SHIM_GUEST}" ] || ! command -v Xwayland > /dev/null || { mkdir -p -m 1777 /tmp/.X11-unix; xwayland=--xwayland; export DISPLAY=:0; }`,
    'weston --backend=drm $xwayland --config="$settings" --continue-without-input --idle-time=0 --socket=wayland-1 &',
    'weston=$!',
    'while [ ! -S "$XDG_RUNTIME_DIR/wayland-1" ]; do kill -0 $weston || exit 1; sleep 0.2; done',
    'WAYLAND_DISPLAY=wayland-1 "$@"',
    'code=$?',
    'kill $weston; wait $weston; exit $code',
  ].join('\n');
  return ['sh', '-c', script, 'sh', ...program];
}

/** Firefox with a profile of its own, in which these preferences are set, whose pages and files are the arguments. */
function firefox(preferences: Record<string, string | number | boolean>): string[] {
  const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  const script = [
    'profile="$HOME/.mozilla/tyr"',
    'mkdir -p "$profile"',
    `cat > "$profile/user.js" <<'END'\n${lines.join('\n')}\nEND`,
    'exec firefox-esr --no-remote --profile "$profile" "$@"',
  ].join('\n');
  return ['sh', '-c', script, 'sh'];
}

/** gdm as its unit starts it (gdm.service), and somebody who can log in. */
const GDM = [
  'sh',
  '-c',
  [
    'mkdir -p /home /var/log /var/cache; chmod 755 /home',
    'id guest > /dev/null 2>&1 || { useradd --create-home --shell /bin/bash guest && echo guest:guest | chpasswd; } || exit 1',
    '/usr/share/gdm/generate-config || exit 1',
    'exec gdm3',
  ].join('\n'),
];

/** Keyboard layouts, cursors and a font: what Weston and its terminal draw with. */
const DESKTOP = ['weston', 'xkb-data', 'adwaita-icon-theme', 'fonts-dejavu-core'];

const WESTON = [...DESKTOP, 'xwayland'];

const GNOME = [
  ...SESSION,
  ...['gnome-shell', 'nautilus', 'gnome-console', 'xwayland'],
  ...['adwaita-icon-theme', 'fonts-cantarell', 'fonts-dejavu-core', 'xkb-data'],
];
/** Who looks on later is to see something. */
const NEVER_IDLE = { 'org.gnome.desktop.session': { 'idle-delay': 'uint32 0' } };

const KARTS = [...DESKTOP, 'supertuxkart'];
const KARTS_ENV = {
  // Sound goes nowhere: the machine has no card, and what looks for one complains all the time.
  ALSOFT_DRIVERS: 'null',
  // Built for OpenGL, as for amd64, it calls glVertexAttribDivisor by the name that has been OpenGL's since 3.3, though it asks for the extension only.
  MESA_GL_VERSION_OVERRIDE: '3.3',
  MESA_GLSL_VERSION_OVERRIDE: '330',
};

export const GUESTS: Record<string, NamedGuest> = {
  weston: {
    title: 'Weston, a Wayland desktop, with a terminal',
    packages: WESTON,
    command: onWeston('weston-terminal', '--shell=/bin/bash'),
  },
  vkcube: {
    title: "Vulkan's cube in a window of Weston",
    of: 'weston',
    packages: WESTON,
    command: onWeston('vkcube', '--wsi', 'wayland'),
  },
  gnome: {
    title: 'GNOME Shell, with files and a terminal, in a session of systemd-logind',
    packages: GNOME,
    // There is nobody to ask for a password.
    command: inSession(
      {
        desktop: 'GNOME',
        settings: { ...NEVER_IDLE, 'org.gnome.desktop.lockdown': { 'disable-lock-screen': 'true' } },
      },
      ...['gnome-shell', '--wayland', '--display-server'],
    ),
    ownRoot: true,
  },
  gdm: {
    title: 'GNOME by its log-in, gdm, where guest can log in with the password guest',
    packages: [...GNOME, 'gdm3', 'gnome-session', 'libpam-runtime', 'passwd', 'util-linux'],
    // A seat without virtual terminals is the new session's before the greeter has faded, and only when it has does it let that begin.
    command: inSystem({ ...NEVER_IDLE, 'org.gnome.desktop.interface': { 'enable-animations': 'false' } }, ...GDM),
    ownRoot: 'users',
  },
  firefox: {
    title: 'Firefox in a window of Weston; arguments are pages or files',
    packages: [...DESKTOP, 'firefox-esr'],
    command: onWeston(
      ...firefox({
        // By the GPU, whatever Firefox's list of drivers says.
        'gfx.webrender.all': true,
        'widget.dmabuf.force-enabled': true,
        // One process for pages: each takes its time to start.
        'dom.ipc.processCount': 1,
        'dom.ipc.processPrelaunch.enabled': false,
        'fission.autostart': false,
        // Nothing but the page that was asked for.
        'browser.aboutwelcome.enabled': false,
        'browser.shell.checkDefaultBrowser': false,
        'browser.startup.homepage_override.mstone': 'ignore',
        'browser.startup.page': 0,
        'datareporting.policy.dataSubmissionEnabled': false,
        'app.normandy.enabled': false,
      }),
    ),
    takesArguments: true,
    env: {
      MOZ_ENABLE_WAYLAND: '1',
      MOZ_CRASHREPORTER_DISABLE: '1',
      // Nor are user namespaces its own to make in a guest: without emulator pages would end with the attempt. They have its other means.
      MOZ_ASSUME_USER_NS: '0',
      // These sandboxes are made of system calls that qemu-user has not. The one of pages finds that out by itself.
      MOZ_DISABLE_RDD_SANDBOX: '1',
      MOZ_DISABLE_SOCKET_PROCESS_SANDBOX: '1',
      MOZ_DISABLE_UTILITY_SANDBOX: '1',
    },
  },
  supertuxkart: {
    title: 'SuperTuxKart, full screen: one kart on one track',
    packages: KARTS,
    command: ['supertuxkart', '--no-start-screen', '--track=lighthouse', '--numkarts=1', '--screensize=640x480'],
    env: { ...KARTS_ENV, SDL_VIDEODRIVER: 'kmsdrm' },
  },
  'supertuxkart-window': {
    title: 'SuperTuxKart in a window of Weston; arguments are its own',
    of: 'supertuxkart',
    packages: KARTS,
    command: onWeston('supertuxkart', '--windowed'),
    takesArguments: true,
    env: { ...KARTS_ENV, SDL_VIDEODRIVER: 'wayland' },
  },
};

/** A package as Debian names one: Debian Policy 5.6.1, with the architecture or version that apt-get takes. */
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+(:[a-z0-9]+)?(=[A-Za-z0-9.+:~-]+)?$/;

/** The guest with these Debian packages besides the base's. Throws Problem for what is no package's name. */
export function guestOf(packages: string[]): GuestChoice {
  const wrong = packages.find((name) => !PACKAGE.test(name));
  if (wrong !== undefined) throw new Problem(`${JSON.stringify(wrong)} is no name of a Debian package`);
  const sorted = [...new Set(packages)].sort();
  return {
    name: sorted
      .join('+')
      .replace(/[^a-z0-9+.-]/g, '_')
      .slice(0, 60),
    packages: sorted,
  };
}

/** The guest of this name. Throws Problem, which lists all. */
export function namedGuest(name: string): NamedGuest & GuestChoice {
  const found = Object.hasOwn(GUESTS, name) ? GUESTS[name] : undefined;
  if (found) return { ...found, name: found.of ?? name };
  throw new Problem(
    `there is no guest ${name}; there are ${Object.keys(GUESTS).join(', ')}, and --packages makes others`,
  );
}

export interface Command {
  /** Without one, the base guest's packages are enough. */
  guest: GuestChoice | undefined;
  program: string;
  args: string[];
  env: Record<string, string>;
  /** It cannot do without a root of its own, or not without other users in that. */
  ownRoot: boolean | 'users';
}

/**
 * What a command line means. A guest's name alone stands for its command; with arguments, it is a program of that guest, unless its
 * command takes them. `packages`
 * and `guest` say otherwise where PROGRAM is to run: in a guest of these packages, in the guest of this name ('base': the base's).
 */
export function commandOf(
  program: string,
  args: string[],
  { packages, guest }: { packages?: string[] | undefined; guest?: string | undefined } = {},
): Command {
  if (packages && guest !== undefined)
    throw new Problem('--guest and --packages are two ways to choose a guest; give one of them');
  const plain = { program, args, env: {}, ownRoot: false };
  if (packages) return { ...plain, guest: guestOf(packages) };
  if (guest === 'base' || (guest === undefined && !Object.hasOwn(GUESTS, program)))
    return { ...plain, guest: undefined };
  const { name, packages: needed, command, env = {}, takesArguments, ownRoot = false } = namedGuest(guest ?? program);
  const choice = { name, packages: needed };
  const named = program === (guest ?? program) && Object.hasOwn(GUESTS, program);
  // What follows may be set off from the name, as from the options before it.
  if (named && takesArguments && args[0] === '--') return commandOf(program, args.slice(1), { guest });
  if (!named || (args.length > 0 && !takesArguments)) return { ...plain, guest: choice, env };
  const [first, ...rest] = command as [string, ...string[]];
  return { guest: choice, program: first, args: [...rest, ...args], env, ownRoot };
}

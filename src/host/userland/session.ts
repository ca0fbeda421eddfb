/**
 * Session services: what a desktop asks of its operating system beside devices. A system bus, logind for seat and devices,
 * polkit, accounts and power by request, and a session with a bus of its own.
 *
 * All of them are Debian's own programs. What stands in for a boot is a script, which does what a boot does before
 * (temporary files, the system bus), and `guest/session.js`, which is process 1's part and the log-in's.
 *
 * Where a guest has users of its own (users.ts), the system bus and its services run as theirs, and a set-user-ID helper starts them.
 * Elsewhere its root has one user, whatever a package wants its service to run as, so all names in its /etc/passwd are made that user's:
 * polkitd and others change to theirs, and the kernel knows no other. For the same reason the system bus is started as who we are then,
 * and starts services directly. Facts: dbus-daemon(1), systemd-tmpfiles(8), user_namespaces(7).
 */
import { readFileSync } from 'node:fs';
import { SHIM_ENVIRONMENT } from '../../abi/shim.ts';
import { quoted } from './own-root.ts';

/** Values of GSettings, as a guest begins with: schema, key, value in GVariant's text form. */
export type Settings = Record<string, Record<string, string>>;

export interface SessionOptions {
  /** XDG_CURRENT_DESKTOP. */
  desktop: string;
  settings?: Settings;
}

const SCHEMAS = '/usr/share/glib-2.0/schemas';
const COMPILE_SCHEMAS = '/usr/lib/*-linux-gnu/glib-2.0/glib-compile-schemas';
/** Beside Debian's own, since that names folders relative to itself. */
const BUS = '/usr/share/dbus-1/tyr-system.conf';
/** What of Debian's configuration wants several users, and what wants a daemon. */
const SEVERAL_USERS = ['<user>', '<servicehelper>'];
const DAEMON = ['<fork/>', '<pidfile>'];

/** Words that run `program` in a session of this guest's. They need a root of their own, and the packages of SESSION. */
export function inSession({ desktop, settings = {} }: SessionOptions, ...program: string[]): string[] {
  return amongServices(settings, desktop, ...program);
}

/**
 * The same for what lets people log in by itself, as root, with /etc/pam.d. What it starts has an environment of its own, so that libraries
 * and machine are told to all programs of the guest.
 */
export function inSystem(settings: Settings, ...program: string[]): string[] {
  const script = [
    '[ -z "$LD_PRELOAD" ] || echo "$LD_PRELOAD" > /etc/ld.so.preload',
    `env | grep ^${SHIM_ENVIRONMENT}= > /etc/environment`,
    'mkdir -p /etc/default; echo "LANG=$LANG" > /etc/default/locale',
    'exec "$@"',
  ].join('\n');
  return amongServices(settings, '', 'sh', '-c', script, 'sh', ...program);
}

function amongServices(settings: Settings, desktop: string, ...program: string[]): string[] {
  const services = readFileSync(new URL('../../../guest/session.js', import.meta.url), 'utf8');
  const overrides = Object.entries(settings).map(
    ([schema, keys]) =>
      `[${schema}]\n${Object.entries(keys)
        .map(([key, value]) => `${key}=${value}\n`)
        .join('')}`,
  );
  const without = (elements: string[]) => elements.map((element) => `-e ${quoted(`\\|${element}|d`)}`).join(' ');
  const script = [
    `sed ${without(DAEMON)} /usr/share/dbus-1/system.conf > ${BUS}`,
    'users=0; while read -r _ _ count; do users=$((users + count)); done < /proc/self/uid_map',
    'if [ $users -eq 1 ]; then',
    `  sed -i ${without(SEVERAL_USERS)} ${BUS}`,
    // Numbers of users and groups; nobody's is what the host's other users have.
    `  sed -Ei '/^no(body|group):/!s/^([^:]+:x):[0-9]+:[0-9]+:/\\1:0:0:/' /etc/passwd`,
    `  sed -Ei '/^no(body|group):/!s/^([^:]+:x):[0-9]+:/\\1:0:/' /etc/group`,
    'fi',
    'systemd-tmpfiles --create --boot --exclude-prefix=/dev --exclude-prefix=/sys || echo "session: temporary files are not all there" >&2',
    'rm -f /run/nologin',
    'mkdir -p /run/dbus /run/user',
    ...(overrides.length > 0
      ? [
          `cat > ${SCHEMAS}/90_tyr.gschema.override <<'END'\n${overrides.join('')}END`,
          `${COMPILE_SCHEMAS} ${SCHEMAS} || exit 1`,
        ]
      : []),
    'export DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket',
    `dbus-daemon --config-file=${BUS} &`,
    'bus=$!',
    'while [ ! -S /run/dbus/system_bus_socket ]; do kill -0 $bus || exit 1; sleep 0.1; done',
    `cat > /run/tyr-session.js <<'END'\n${services}END`,
    `gjs -m /run/tyr-session.js ${quoted(desktop)} "$@"`,
    'code=$?',
    'kill $bus; exit $code',
  ].join('\n');
  return ['sh', '-c', script, 'sh', ...program];
}

/** Packages of these services. */
export const SESSION = [
  'accountsservice',
  'dbus-daemon',
  'dbus-system-bus-common',
  'gjs',
  'polkitd',
  'systemd',
  'upower',
];

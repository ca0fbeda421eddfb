/**
 * Session services: what a desktop asks of its operating system beside devices. A system bus, logind for seat and devices,
 * polkit, accounts and power by request, and a session with a bus of its own.
 *
 * All of them are Debian's own programs. What stands in for a boot is a script, which does what a boot does before
 * (temporary files, the system bus), and `guest/session.js`, which is process 1's part and the log-in's.
 *
 * A guest's root has one user, whatever a package wants its service to run as, so all names in its /etc/passwd are that user's: polkitd
 * and others change to theirs, and the kernel knows no other. For the same reason the system bus is started as who we are, and starts
 * services directly, not by a set-user-ID helper. Facts: dbus-daemon(1), systemd-tmpfiles(8), user_namespaces(7).
 */
import { readFileSync } from 'node:fs';

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
/** What of Debian's configuration wants several users, or a daemon. */
const NOT_HERE = ['<user>', '<servicehelper>', '<fork/>', '<pidfile>'];

/** Users whose packages make them in their installation scripts alone, not by systemd-sysusers. */
const OTHER_USERS = ['colord'];

/** A word that a shell takes as it is. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** Words that run `program` in a session of this guest's. They need a root of their own, and the packages of SESSION. */
export function inSession({ desktop, settings = {} }: SessionOptions, ...program: string[]): string[] {
  const services = readFileSync(new URL('../../../guest/session.js', import.meta.url), 'utf8');
  const overrides = Object.entries(settings).map(
    ([schema, keys]) =>
      `[${schema}]\n${Object.entries(keys)
        .map(([key, value]) => `${key}=${value}\n`)
        .join('')}`,
  );
  const bus = NOT_HERE.map((element) => `-e ${quoted(`\\|${element}|d`)}`).join(' ');
  const script = [
    ...OTHER_USERS.map(
      (name) => `grep -q ^${name}: /etc/passwd || echo ${name}:x:0:0::/:/usr/sbin/nologin >> /etc/passwd`,
    ),
    ...OTHER_USERS.map((name) => `grep -q ^${name}: /etc/group || echo ${name}:x:0: >> /etc/group`),
    // Numbers of users and groups; nobody's is what the host's other users have.
    `sed -Ei '/^no(body|group):/!s/^([^:]+:x):[0-9]+:[0-9]+:/\\1:0:0:/' /etc/passwd`,
    `sed -Ei '/^no(body|group):/!s/^([^:]+:x):[0-9]+:/\\1:0:/' /etc/group`,
    'systemd-tmpfiles --create --boot --exclude-prefix=/dev --exclude-prefix=/sys || echo "session: temporary files are not all there" >&2',
    'rm -f /run/nologin',
    'mkdir -p /run/dbus /run/user',
    ...(overrides.length > 0
      ? [
          `cat > ${SCHEMAS}/90_tyr.gschema.override <<'END'\n${overrides.join('')}END`,
          `${COMPILE_SCHEMAS} ${SCHEMAS} || exit 1`,
        ]
      : []),
    `sed ${bus} /usr/share/dbus-1/system.conf > ${BUS}`,
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

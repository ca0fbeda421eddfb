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

/** Users whose packages make them in their installation scripts alone, not by systemd-sysusers, and a number that none of those has. */
const OTHER_USERS = { colord: 900 };

/** Words that run `program` in a session of this guest's. They need a root of their own, and the packages of SESSION. */
export function inSession({ desktop, settings = {} }: SessionOptions, ...program: string[]): string[] {
  const services = readFileSync(new URL('../../../guest/session.js', import.meta.url), 'utf8');
  const overrides = Object.entries(settings).map(
    ([schema, keys]) =>
      `[${schema}]\n${Object.entries(keys)
        .map(([key, value]) => `${key}=${value}\n`)
        .join('')}`,
  );
  const without = (elements: string[]) => elements.map((element) => `-e ${quoted(`\\|${element}|d`)}`).join(' ');
  const script = [
    ...Object.entries(OTHER_USERS).flatMap(([name, number]) => [
      `grep -q ^${name}: /etc/passwd || echo ${name}:x:${number}:${number}::/:/usr/sbin/nologin >> /etc/passwd`,
      `grep -q ^${name}: /etc/group || echo ${name}:x:${number}: >> /etc/group`,
    ]),
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

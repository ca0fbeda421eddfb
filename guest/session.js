/**
 * A session in a guest that was not booted: what a desktop expects of systemd's processes, so that Debian's own can do the rest.
 *
 *     gjs -m session.js DESKTOP PROGRAM [ARGUMENT…]
 *
 * With an empty DESKTOP there is no session, and PROGRAM is what lets people log in by itself.
 *
 * systemd-logind runs as it is (seats, sessions, devices that are taken and given back), but it leaves units to process 1 by
 * org.freedesktop.systemd1, and sessions to whoever logs people in. Both are this program, which runs by GNOME's JavaScript in
 * the guest and speaks D-Bus by GLib: it answers for the units that logind starts and stops, opens a session on seat0 as
 * pam_systemd would, and runs a session bus and PROGRAM in it. It ends with PROGRAM, with its exit code, or when the session is told to end.
 *
 * What is asked, and in which order: systemd `src/login/logind-dbus.c` (manager_start_scope, method_create_session,
 * match_job_removed), `src/login/logind-user.c`, `src/login/pam_systemd.c`; org.freedesktop.systemd1(5), org.freedesktop.login1(5).
 */
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

const SYSTEMD = 'org.freedesktop.systemd1';
const SYSTEMD_PATH = '/org/freedesktop/systemd1';
const LOGIN = 'org.freedesktop.login1';
const LOGIN_PATH = '/org/freedesktop/login1';

const MANAGER = `<node><interface name="${SYSTEMD}.Manager">
  <method name="Subscribe"/>
  <method name="StartTransientUnit">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="a(sv)" direction="in"/>
    <arg type="a(sa(sv))" direction="in"/><arg type="o" direction="out"/>
  </method>
  <method name="StartUnit"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  <method name="StopUnit"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="o" direction="out"/></method>
  <method name="KillUnit"><arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="i" direction="in"/></method>
  <signal name="JobRemoved"><arg type="u"/><arg type="o"/><arg type="s"/><arg type="s"/></signal>
  <signal name="UnitRemoved"><arg type="s"/><arg type="o"/></signal>
</interface></node>`;

const UNIT = `<node>
  <interface name="${SYSTEMD}.Unit">
    <property name="Id" type="s" access="read"/><property name="LoadState" type="s" access="read"/>
    <property name="ActiveState" type="s" access="read"/>
  </interface>
  <interface name="${SYSTEMD}.Scope"><method name="Abandon"/></interface>
</node>`;

/** Where a process of the guest is told to end everything. */
const ENDS = ['poweroff.target', 'halt.target', 'reboot.target', 'kexec.target', 'soft-reboot.target'];

/** A refusal that the caller is told by D-Bus. */
function refuse(message) {
  throw Gio.DBusError.new_for_dbus_error(`${SYSTEMD}.NoSuchUnit`, message);
}

const later = (work) =>
  GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
    work();
    return GLib.SOURCE_REMOVE;
  });

/** A name as a part of an object's path (sd_bus_path_encode). */
const escaped = (name) => {
  const letters = [...new TextEncoder().encode(name)].map((byte, i) => {
    const letter = String.fromCharCode(byte);
    const plain = i === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    return plain.test(letter) ? letter : `_${byte.toString(16).padStart(2, '0')}`;
  });
  return letters.join('');
};

/** The path of a unit's object. */
const pathOf = (unit) => `${SYSTEMD_PATH}/unit/${escaped(unit)}`;

/** A user's runtime folder. */
function makeRuntime(path, user) {
  GLib.mkdir_with_parents(path, 0o700);
  Gio.File.new_for_path(path).set_attribute_uint32('unix::uid', user, Gio.FileQueryInfoFlags.NONE, null);
}

/**
 * Units, as far as logind asks for them: each is there and active from its start to its stop, and those by which all ends are there
 * from the beginning. Whoever makes this has to keep it: what GLib has exported goes with its JavaScript object.
 */
class Units {
  #bus;
  #manager;
  #end;
  #jobs = 0;
  #objects = new Map();
  /** Of scopes, by their names: the processes that lead them. logind abandons a scope, and then stops it all the same. */
  #leaders = new Map();

  /** `end(signal)`: all processes are to end, politely (SIGTERM) or as told. */
  constructor(bus, end) {
    this.#bus = bus;
    this.#end = end;
    const { interfaces } = Gio.DBusNodeInfo.new_for_xml(MANAGER);
    this.#manager = Gio.DBusExportedObject.wrapJSObject(interfaces[0], this);
    this.#manager.export(bus, SYSTEMD_PATH);
    for (const unit of ENDS) this.#add(unit, 'inactive');
  }

  close() {
    this.#manager.unexport();
  }

  Subscribe() {}

  StartTransientUnit(unit, _mode, _properties, _others) {
    const [, session] = /^session-(.+)\.scope$/.exec(unit) ?? [];
    if (session === undefined) refuse(`${unit} cannot be made here`);
    this.#add(unit);
    this.#ask(unit, session);
    return this.#job(unit);
  }

  StartUnit(unit, _mode) {
    const [, user] = /^user-runtime-dir@(\d+)\.service$/.exec(unit) ?? [];
    if (user !== undefined) makeRuntime(`/run/user/${user}`, Number(user));
    else if (ENDS.includes(unit)) this.#end(15);
    else if (!/^user@\d+\.service$/.test(unit)) refuse(`there is no unit ${unit} here`);
    this.#add(unit);
    return this.#job(unit);
  }

  StopUnit(unit, _mode) {
    if (unit.endsWith('.scope')) this.#signal(unit, 15);
    this.#leaders.delete(unit);
    this.#remove(unit);
    return this.#job(unit);
  }

  KillUnit(unit, _who, signal) {
    if (!this.#objects.has(unit)) refuse(`there is no unit ${unit} here`);
    if (unit.endsWith('.scope')) this.#signal(unit, signal);
  }

  /** Asks logind who leads a session. It waits for our answers at times, so nobody waits for its. */
  #ask(unit, session) {
    const [name, path, properties] = [
      LOGIN,
      `${LOGIN_PATH}/session/${escaped(session)}`,
      'org.freedesktop.DBus.Properties',
    ];
    const what = new GLib.Variant('(ss)', [`${LOGIN}.Session`, 'Leader']);
    this.#bus.call(name, path, properties, 'Get', what, null, Gio.DBusCallFlags.NONE, -1, null, (_, result) => {
      try {
        const [leader] = this.#bus.call_finish(result).recursiveUnpack();
        if (this.#objects.has(unit)) this.#leaders.set(unit, leader);
      } catch (error) {
        printerr(`session: nobody knows who leads ${unit}: ${error.message}`);
      }
    });
  }

  /** The leader of a scope ends what it has started. */
  #signal(unit, signal) {
    const leader = this.#leaders.get(unit);
    if (leader === new Gio.Credentials().get_unix_pid()) this.#end(signal);
    else if (leader !== undefined) start(['kill', `-${signal}`, `${leader}`], {});
  }

  #add(unit, state = 'active') {
    if (this.#objects.has(unit)) return;
    const object = { Id: unit, LoadState: 'loaded', ActiveState: state, Abandon: () => this.#remove(unit) };
    const exported = Gio.DBusNodeInfo.new_for_xml(UNIT).interfaces.map((info) =>
      Gio.DBusExportedObject.wrapJSObject(info, object),
    );
    for (const each of exported) each.export(this.#bus, pathOf(unit));
    this.#objects.set(unit, exported);
  }

  #remove(unit) {
    for (const each of this.#objects.get(unit) ?? []) each.unexport();
    if (!this.#objects.delete(unit)) return;
    later(() => this.#manager.emit_signal('UnitRemoved', new GLib.Variant('(so)', [unit, pathOf(unit)])));
  }

  /** A job that is done as soon as the caller knows of it. */
  #job(unit) {
    const id = ++this.#jobs;
    const path = `${SYSTEMD_PATH}/job/${id}`;
    later(() => this.#manager.emit_signal('JobRemoved', new GLib.Variant('(uoss)', [id, path, unit, 'done'])));
    return path;
  }
}

/** Starts a program; `env` is laid over this process's environment, null takes a variable away. */
function start(argv, env) {
  const launcher = new Gio.SubprocessLauncher({ flags: Gio.SubprocessFlags.NONE });
  for (const [name, value] of Object.entries(env))
    if (value === null) launcher.unsetenv(name);
    else launcher.setenv(name, value, true);
  return launcher.spawnv(argv);
}

/** What runs in the session, or without one, and how all of it ends. */
class Session {
  #loop = new GLib.MainLoop(null, false);
  #bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
  #desktop;
  #argv;
  #program;
  /** Open as long as the session is to last. */
  #reference;
  #code = 1;

  constructor(desktop, argv) {
    this.#desktop = desktop;
    this.#argv = argv;
  }

  /** The program's exit code, as a shell reports it. */
  run() {
    const units = new Units(this.#bus, (signal) => this.#end(signal));
    const taken = () =>
      start(['/usr/lib/systemd/systemd-logind'], { SYSTEMD_LOG_TARGET: 'console', SYSTEMD_LOG_LEVEL: 'notice' });
    const lost = () => this.#fail(`the name ${SYSTEMD} cannot be had on the system bus`);
    Gio.bus_own_name_on_connection(this.#bus, SYSTEMD, Gio.BusNameOwnerFlags.NONE, taken, lost);
    const gone = () => this.#program && printerr('session: systemd-logind has gone');
    const there = () => (this.#desktop === '' ? this.#start({ LIBSEAT_BACKEND: null }) : this.#create());
    Gio.bus_watch_name_on_connection(this.#bus, LOGIN, Gio.BusNameWatcherFlags.NONE, there, gone);
    this.#loop.run();
    units.close();
    return this.#code;
  }

  /** Asks logind for a session on the seat, whose leader this process is. */
  #create() {
    if (this.#reference) return;
    const user = new Gio.Credentials().get_unix_user();
    const type = '(uusssssussbssa(sv))';
    const args = [
      user,
      0,
      'tyr',
      'wayland',
      'user',
      this.#desktop.toLowerCase(),
      'seat0',
      0,
      '',
      '',
      false,
      '',
      '',
      [],
    ];
    const call = [LOGIN, LOGIN_PATH, `${LOGIN}.Manager`, 'CreateSession', new GLib.Variant(type, args), null];
    this.#bus.call_with_unix_fd_list(...call, Gio.DBusCallFlags.NONE, -1, null, null, (_, result) => {
      try {
        const [answer, descriptors] = this.#bus.call_with_unix_fd_list_finish(result);
        this.#reference = descriptors;
        const [id, , runtime, , , seat] = answer.recursiveUnpack();
        this.#begin(id, runtime, seat);
      } catch (error) {
        this.#fail(`logind opens no session: ${error.message}`);
      }
    });
  }

  #begin(id, runtime, seat) {
    const address = `unix:path=${runtime}/bus`;
    const env = {
      DBUS_SESSION_BUS_ADDRESS: address,
      // libseat finds logind.
      LIBSEAT_BACKEND: null,
      XDG_CURRENT_DESKTOP: this.#desktop,
      XDG_RUNTIME_DIR: runtime,
      XDG_SEAT: seat,
      XDG_SESSION_CLASS: 'user',
      XDG_SESSION_DESKTOP: this.#desktop.toLowerCase(),
      XDG_SESSION_ID: id,
      XDG_SESSION_TYPE: 'wayland',
    };
    start(['dbus-daemon', '--session', '--nopidfile', `--address=${address}`], env);
    this.#start(env);
  }

  #start(env) {
    if (this.#program) return;
    this.#program = start(this.#argv, env);
    this.#program.wait_async(null, () => {
      const program = this.#program;
      this.#code = program.get_if_exited() ? program.get_exit_status() : 128 + program.get_term_sig();
      this.#loop.quit();
    });
  }

  #end(signal) {
    if (this.#program) this.#program.send_signal(signal);
    else this.#fail('the session ended before its program began');
  }

  #fail(sentence) {
    printerr(`session: ${sentence}`);
    this.#loop.quit();
  }
}

const [desktop, ...argv] = ARGV;
System.exit(new Session(desktop, argv).run());

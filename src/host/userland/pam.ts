/**
 * How the guest's programs know people by passwords: PAM's stacks that all services include (`/etc/pam.d/common-*`), which pam-auth-update(8)
 * makes of what packages say of their modules (`/usr/share/pam-configs/`) and of templates, when libpam-runtime is set up. All profiles are
 * taken that say that they are by default, highest priority first.
 *
 * A profile is fields, of which modules' lines follow their field's name indented. Within a block of primary modules `success=end` means
 * to jump behind what denies, the first line after the block. The first profile of a block may have other lines than as a later one
 * (`Auth-Initial`). Facts: pam-auth-update(8), pam.conf(5), Ubuntu's PAMConfigFrameworkSpec.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const PROFILES = 'usr/share/pam-configs';
const TEMPLATES = 'usr/share/pam';
const STACKS = 'etc/pam.d';
/** What templates name a stack by, and which type of modules it has. */
const KINDS: Record<string, string> = {
  auth: 'Auth',
  account: 'Account',
  password: 'Password',
  session: 'Session',
  session_nonint: 'Session',
};
const NOT_INTERACTIVE = 'session_nonint';

export type Profile = ReadonlyMap<string, string>;

/** Fields by their names; of those with several lines, these lines. */
export function readProfile(text: string): Profile {
  const fields = new Map<string, string>();
  let last = '';
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Za-z-]+):\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      last = name;
      fields.set(name, value!.trim());
    } else if (/^\s+\S/.test(line)) {
      fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`.trim());
    }
  }
  return fields;
}

/** A template with its blocks of modules in it. Throws where it names a block that is not known. */
export function stackOf(template: string, profiles: readonly Profile[]): string {
  const chosen = profiles
    .filter((profile) => profile.get('Default') === 'yes')
    .sort((a, b) => Number(b.get('Priority')) - Number(a.get('Priority')));
  return template.replace(/^\$(\w+)_(primary|additional)\n/gm, (_, stack: string, block: string) => {
    const type = KINDS[stack];
    if (type === undefined) throw new Error(`a template of PAM's names the stack ${stack}, which is not known`);
    const of = chosen.filter(
      (profile) =>
        profile.get(`${type}-Type`)?.toLowerCase() === block &&
        !(stack === NOT_INTERACTIVE && profile.get(`${type}-Interactive-Only`) === 'yes'),
    );
    const lines = of.flatMap((profile, i) => {
      const first = i === 0 ? profile.get(`${type}-Initial`) : undefined;
      return (first ?? profile.get(type) ?? '').split('\n').filter(Boolean);
    });
    // Nobody decides, so nothing is denied.
    if (block === 'primary' && lines.length === 0) lines.push('[default=end]\tpam_permit.so');
    return lines
      .map((line, i) => `${type.toLowerCase()}\t${line.replaceAll('=end', `=${lines.length - i}`)}\n`)
      .join('');
  });
}

/** Makes the stacks of a root that has templates for them. */
export async function makeStacks(root: string): Promise<void> {
  if (!existsSync(join(root, TEMPLATES)) || !existsSync(join(root, PROFILES))) return;
  const texts = async (folder: string, is: (name: string) => boolean) => {
    const names = (await readdir(join(root, folder))).filter(is).sort();
    return Promise.all(names.map(async (name) => [name, await readFile(join(root, folder, name), 'utf8')] as const));
  };
  const profiles = (await texts(PROFILES, () => true)).map(([, text]) => readProfile(text));
  await mkdir(join(root, STACKS), { recursive: true });
  for (const [name, text] of await texts(TEMPLATES, (file) => /^common-[a-z-]+$/.test(file)))
    await writeFile(join(root, STACKS, name), stackOf(text, profiles));
}

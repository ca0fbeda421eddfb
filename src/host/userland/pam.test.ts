import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProfile, stackOf } from './pam.ts';

const UNIX = `Name: Unix authentication
Default: yes
Priority: 256
Auth-Type: Primary
Auth:
	[success=end default=ignore]	pam_unix.so try_first_pass
Auth-Initial:
	[success=end default=ignore]	pam_unix.so
Session-Type: Additional
Session:
	required	pam_unix.so
`;
const KEYS = `Name: Keys
Default: yes
Priority: 700
Auth-Type: Primary
Auth:
	optional	pam_first.so
	[success=end default=ignore]	pam_keys.so
Session-Type: Additional
Session-Interactive-Only: yes
Session:
	optional	pam_keys.so
`;
const FOLDERS = `Name: Folders
Default: no
Priority: 900
Session-Type: Additional
Session:
	optional	pam_mkhomedir.so
`;
const profiles = [UNIX, KEYS, FOLDERS].map(readProfile);
const AUTH = '# head\n$auth_primary\n# fallback\nauth\trequisite\tpam_deny.so\n$auth_additional\n# end\n';

test('a stack has the modules of all profiles that are there by default, and success jumps behind what denies', () => {
  assert.equal(
    stackOf(AUTH, profiles),
    `# head
auth\toptional\tpam_first.so
auth\t[success=2 default=ignore]\tpam_keys.so
auth\t[success=1 default=ignore]\tpam_unix.so try_first_pass
# fallback
auth\trequisite\tpam_deny.so
# end
`,
  );
  assert.match(stackOf(AUTH, [readProfile(UNIX)]), /^auth\t\[success=1 default=ignore\]\tpam_unix\.so$/m);
});

test('where no primary module decides, nothing is denied', () => {
  assert.equal(
    stackOf('$session_primary\nsession\trequisite\tpam_deny.so\n', profiles),
    'session\t[default=1]\tpam_permit.so\nsession\trequisite\tpam_deny.so\n',
  );
});

test('what is for people alone stands in no stack of services', () => {
  assert.equal(
    stackOf('$session_additional\n', profiles),
    'session\toptional\tpam_keys.so\nsession\trequired\tpam_unix.so\n',
  );
  assert.equal(stackOf('$session_nonint_additional\n', profiles), 'session\trequired\tpam_unix.so\n');
});

test('a template with an unknown stack is refused by its name', () => {
  assert.throws(() => stackOf('$nosuch_primary\n', profiles), /nosuch/);
});

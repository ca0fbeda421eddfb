/**
 * The floors of docs/architecture.md as rules for dependency-cruiser: what each folder may import besides itself.
 * Tests obey the same rules, and so does what they share: src/testing/FLOOR/ may import what src/FLOOR/ may. `tyr test` runs
 * the check.
 */
const FLOORS = {
  abi: [],
  board: ['abi'],
  drm: ['abi', 'board'],
  mali: ['abi', 'board'],
  driver: ['abi', 'board', 'drm'],
  display: ['abi', 'board', 'drm'],
  input: ['abi', 'board'],
  machine: ['abi', 'board', 'drm', 'mali', 'driver', 'display', 'input'],
  host: ['abi', 'board', 'drm', 'mali', 'driver', 'display', 'input', 'machine'],
  conformance: ['abi', 'board', 'drm', 'mali', 'driver', 'display', 'input', 'machine', 'host'],
  cli: ['abi', 'board', 'drm', 'mali', 'driver', 'display', 'input', 'machine', 'host', 'conformance'],
};

export default {
  forbidden: [
    ...Object.entries(FLOORS).map(([floor, below]) => ({
      name: `floor-${floor}`,
      comment: `src/${floor}/ may import ${['itself', ...below].join(', ')}`,
      severity: 'error',
      from: { path: `^src/(testing/)?${floor}/` },
      to: { path: '^src/', pathNot: `^src/(testing/)?(${[floor, ...below].join('|')})/` },
    })),
    {
      name: 'floor-unknown',
      comment: 'every file below src/ belongs to a floor',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/(testing/)?(${Object.keys(FLOORS).join('|')})/` },
      to: {},
    },
    {
      name: 'datasheets-are-alone',
      comment: 'src/abi/ is data: no packages, and only its tests use Node',
      severity: 'error',
      from: { path: '^src/abi/', pathNot: '[.]test[.]ts$' },
      to: { pathNot: '^src/' },
    },
    {
      name: 'tests-are-leaves',
      comment: 'no file imports a test',
      severity: 'error',
      from: {},
      to: { path: '[.]test(-desktop|-vm)?[.]ts$' },
    },
    {
      name: 'nothing-runs-on-test-support',
      comment: 'src/testing/ is for tests, and for the commands that measure, compare and fuzz',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/testing/|[.]test(-desktop|-vm)?[.]ts$|^src/cli/(bench|fuzz|compare)' },
      to: { path: '^src/testing/' },
    },
    {
      name: 'resolvable',
      comment: 'every import leads somewhere',
      severity: 'error',
      from: { path: '^src/' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
  },
};

/** For tests: SuperTuxKart with the lowest of all effects. */
const EFFECTS = ['bloom', 'dof', 'glow', 'light-shaft', 'mlaa', 'motion-blur', 'particles', 'ssao'];

/** Arguments of the game that turn them off. */
export const WITHOUT_EFFECTS: readonly string[] = EFFECTS.map((name) => `--disable-${name}`);

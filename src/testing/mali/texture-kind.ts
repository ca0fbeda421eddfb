/** What texture instructions are in tests that are about something else. */
import { kindOf } from '../../mali/shader/texture-ops.ts';

/** TEX_SINGLE of two dimensions at level 0, without offset, layer or reference. */
export const PLAIN_SAMPLE = kindOf({
  operation: 'single',
  dimension: '2d',
  array: false,
  shadow: false,
  offset: false,
  lodMode: 'zero',
  component: 0,
  integerCoordinates: false,
  derivatives: false,
  lodBiasDisable: false,
  lodClampDisable: false,
});

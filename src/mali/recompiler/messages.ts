/**
 * The instructions that are more than lane operations, each by an emitter that knows its kind: memory, atomics, attributes, varyings,
 * textures, images, conversions, tests after shading, colours that the tile buffer holds.
 *
 * An emitter is made when the first of its instructions comes. All hold locals, and a function is the shorter, and the sooner compiled,
 * the fewer it has.
 */
import { AccessCode } from './access.ts';
import { AtomicCode } from './atomic.ts';
import { AttributeCode } from './attribute.ts';
import type { Emitter } from './block-code.ts';
import { ConvertCode } from './convert.ts';
import type { Site, Unit } from './flow.ts';
import { ImageCode } from './image.ts';
import { LateCode } from './late.ts';
import type { Operands } from './lowering.ts';
import { MemoryCode } from './memory.ts';
import type { QuadFeed } from './quad-feed.ts';
import { SpecialVaryingCode } from './special-varying.ts';
import { type AroundTextures, TextureCode } from './texture.ts';
import { TileLoadCode } from './tile-load.ts';
import { VaryingCode } from './varying.ts';

type Kind =
  | 'memory'
  | 'atomic'
  | 'attribute'
  | 'varying'
  | 'special varying'
  | 'texture'
  | 'image'
  | 'conversion'
  | 'late'
  | 'tile load';

/** What an instruction is by its name without number types; undefined: it has no emitter. */
function kindOf(base: string): Kind | undefined {
  switch (base) {
    case 'LOAD':
    case 'LD_BUFFER':
    case 'STORE':
      return 'memory';
    case 'LD_ATTR':
    case 'LD_ATTR_IMM':
    case 'LEA_ATTR':
    case 'LEA_ATTR_IMM':
    case 'LEA_BUFFER':
    case 'LEA_BUF':
    case 'LEA_BUF_IMM':
      return 'attribute';
    case 'LEA_TEX':
    case 'LEA_TEX_IMM':
    case 'LD_TEX':
    case 'LD_TEX_IMM':
      return 'image';
    case 'LD_CVT':
    case 'ST_CVT':
      return 'conversion';
    case 'LD_VAR_SPECIAL':
      return 'special varying';
    case 'ATEST':
    case 'ZS_EMIT':
      return 'late';
    case 'LD_TILE':
      return 'tile load';
    default:
      if (base.startsWith('LD_VAR')) return 'varying';
      if (base.startsWith('ATOM')) return 'atomic';
      return base.startsWith('TEX_') ? 'texture' : undefined;
  }
}

export class MessageCode implements Emitter {
  /** Made at once, since weights are computed at a warp's beginning; undefined: the unit loads no varyings. */
  readonly varyings: VaryingCode | undefined;
  readonly #a: AroundTextures & Operands;
  readonly #quads: QuadFeed | undefined;
  readonly #emitters = new Map<Kind, Emitter>();
  #access: AccessCode | undefined;
  #attributes: AttributeCode | undefined;
  #late: LateCode | undefined;

  /** `quads`: the list that warps come from. */
  constructor(around: AroundTextures & Operands, unit: Unit, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#quads = quads;
    const loads = ({ instruction: { spec } }: Site): boolean => kindOf(spec.base) === 'varying';
    if (unit.blocks.some(({ sites }) => sites.some(loads))) {
      this.varyings = new VaryingCode(around, unit, quads, () => this.#attributeCode);
    }
  }

  get #attributeCode(): AttributeCode {
    this.#attributes ??= new AttributeCode(this.#a);
    return this.#attributes;
  }

  get #accessCode(): AccessCode {
    this.#access ??= new AccessCode(this.#a);
    return this.#access;
  }

  get late(): LateCode {
    this.#late ??= new LateCode(this.#a, this.#quads);
    return this.#late;
  }

  emit(site: Site): boolean {
    const kind = kindOf(site.instruction.spec.base);
    if (kind === undefined) return false;
    let emitter = this.#emitters.get(kind);
    if (!emitter) {
      emitter = this.#make(kind);
      this.#emitters.set(kind, emitter);
    }
    return emitter.emit(site);
  }

  #make(kind: Kind): Emitter {
    switch (kind) {
      case 'memory':
        return new MemoryCode(this.#a, this.#accessCode);
      case 'atomic':
        return new AtomicCode(this.#a, this.#accessCode);
      case 'attribute':
        return this.#attributeCode;
      case 'varying':
        return this.varyings!;
      case 'special varying':
        return new SpecialVaryingCode(this.#a, this.#quads);
      case 'texture':
        return new TextureCode(this.#a);
      case 'image':
        return new ImageCode(this.#a);
      case 'conversion':
        return new ConvertCode(this.#a, this.#accessCode);
      case 'late':
        return this.late;
      case 'tile load':
        return new TileLoadCode(this.#a, this.#quads);
    }
  }
}

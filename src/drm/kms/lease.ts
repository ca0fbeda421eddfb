/**
 * Lease: planes, CRTCs and connectors that the DRM master has lent to another file, which is a master for these and sees no
 * others. What is lent is still the lessor's to use, and his to take back.
 * After Linux `drivers/gpu/drm/drm_lease.c`.
 */
import type { ObjectType } from '../../abi/kms.ts';

const LEASABLE: readonly ObjectType[] = ['plane', 'crtc', 'connector'];
/** Whether a lessee sees only those objects of this type that it was lent. */
export const isLeasable = (type: ObjectType): boolean => LEASABLE.includes(type);

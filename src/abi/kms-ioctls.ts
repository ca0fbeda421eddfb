/** KMS ioctl numbers. Source: Linux `include/uapi/drm/drm.h`. */
import { type IoctlDef, iowr } from './ioctl.ts';
import * as S from './kms-structs.ts';
import type { Layout } from './layout.ts';

const kms = <F extends Record<string, any>>(name: string, nr: number, arg: Layout<F>): IoctlDef<F> =>
  iowr(name, 'd', nr, arg);

export const WAIT_VBLANK = kms('WAIT_VBLANK', 0x3a, S.WaitVblank);
export const CRTC_GET_SEQUENCE = kms('CRTC_GET_SEQUENCE', 0x3b, S.CrtcGetSequence);
export const CRTC_QUEUE_SEQUENCE = kms('CRTC_QUEUE_SEQUENCE', 0x3c, S.CrtcQueueSequence);
export const MODE_GETRESOURCES = kms('MODE_GETRESOURCES', 0xa0, S.CardRes);
export const MODE_GETCRTC = kms('MODE_GETCRTC', 0xa1, S.ModeCrtc);
export const MODE_SETCRTC = kms('MODE_SETCRTC', 0xa2, S.ModeCrtc);
export const MODE_CURSOR = kms('MODE_CURSOR', 0xa3, S.Cursor);
export const MODE_GETGAMMA = kms('MODE_GETGAMMA', 0xa4, S.CrtcLut);
export const MODE_SETGAMMA = kms('MODE_SETGAMMA', 0xa5, S.CrtcLut);
export const MODE_GETENCODER = kms('MODE_GETENCODER', 0xa6, S.GetEncoder);
export const MODE_GETCONNECTOR = kms('MODE_GETCONNECTOR', 0xa7, S.GetConnector);
export const MODE_GETPROPERTY = kms('MODE_GETPROPERTY', 0xaa, S.GetProperty);
export const MODE_SETPROPERTY = kms('MODE_SETPROPERTY', 0xab, S.ConnectorSetProperty);
export const MODE_GETPROPBLOB = kms('MODE_GETPROPBLOB', 0xac, S.GetBlob);
export const MODE_GETFB = kms('MODE_GETFB', 0xad, S.FbCmd);
export const MODE_ADDFB = kms('MODE_ADDFB', 0xae, S.FbCmd);
export const MODE_RMFB = kms('MODE_RMFB', 0xaf, S.RmFb);
export const MODE_PAGE_FLIP = kms('MODE_PAGE_FLIP', 0xb0, S.PageFlipTarget);
export const MODE_DIRTYFB = kms('MODE_DIRTYFB', 0xb1, S.FbDirtyCmd);
export const MODE_CREATE_DUMB = kms('MODE_CREATE_DUMB', 0xb2, S.CreateDumb);
export const MODE_MAP_DUMB = kms('MODE_MAP_DUMB', 0xb3, S.MapDumb);
export const MODE_DESTROY_DUMB = kms('MODE_DESTROY_DUMB', 0xb4, S.DestroyDumb);
export const MODE_GETPLANERESOURCES = kms('MODE_GETPLANERESOURCES', 0xb5, S.GetPlaneRes);
export const MODE_GETPLANE = kms('MODE_GETPLANE', 0xb6, S.GetPlane);
export const MODE_SETPLANE = kms('MODE_SETPLANE', 0xb7, S.SetPlane);
export const MODE_ADDFB2 = kms('MODE_ADDFB2', 0xb8, S.FbCmd2);
export const MODE_OBJ_GETPROPERTIES = kms('MODE_OBJ_GETPROPERTIES', 0xb9, S.ObjGetProperties);
export const MODE_OBJ_SETPROPERTY = kms('MODE_OBJ_SETPROPERTY', 0xba, S.ObjSetProperty);
export const MODE_CURSOR2 = kms('MODE_CURSOR2', 0xbb, S.Cursor2);
export const MODE_ATOMIC = kms('MODE_ATOMIC', 0xbc, S.AtomicCommit);
export const MODE_CREATEPROPBLOB = kms('MODE_CREATEPROPBLOB', 0xbd, S.CreateBlob);
export const MODE_DESTROYPROPBLOB = kms('MODE_DESTROYPROPBLOB', 0xbe, S.DestroyBlob);
export const MODE_CREATE_LEASE = kms('MODE_CREATE_LEASE', 0xc6, S.CreateLease);
export const MODE_LIST_LESSEES = kms('MODE_LIST_LESSEES', 0xc7, S.ListLessees);
export const MODE_GET_LEASE = kms('MODE_GET_LEASE', 0xc8, S.GetLease);
export const MODE_REVOKE_LEASE = kms('MODE_REVOKE_LEASE', 0xc9, S.RevokeLease);
export const MODE_GETFB2 = kms('MODE_GETFB2', 0xce, S.FbCmd2);
export const MODE_CLOSEFB = kms('MODE_CLOSEFB', 0xd0, S.CloseFb);

/**
 * KMS structs of the uAPI. Source: Linux `include/uapi/drm/drm_mode.h`, and `drm.h` for vblank and events.
 */
import { array, bytes, type Infer, nested, s32, s64, struct, u16, u32, u64 } from './layout.ts';

/** Timings: clock in kHz, horizontal ones in pixels, vertical ones in lines, refresh in Hz. */
export const ModeInfo = struct('drm_mode_modeinfo', {
  clock: u32(),
  hdisplay: u16(),
  hsync_start: u16(),
  hsync_end: u16(),
  htotal: u16(),
  hskew: u16(),
  vdisplay: u16(),
  vsync_start: u16(),
  vsync_end: u16(),
  vtotal: u16(),
  vscan: u16(),
  vrefresh: u32(),
  flags: u32(),
  type: u32(),
  name: bytes(32),
});
export type ModeInfo = Infer<typeof ModeInfo>;

export const CardRes = struct('drm_mode_card_res', {
  fb_id_ptr: u64(),
  crtc_id_ptr: u64(),
  connector_id_ptr: u64(),
  encoder_id_ptr: u64(),
  count_fbs: u32(),
  count_crtcs: u32(),
  count_connectors: u32(),
  count_encoders: u32(),
  min_width: u32(),
  max_width: u32(),
  min_height: u32(),
  max_height: u32(),
});

export const ModeCrtc = struct('drm_mode_crtc', {
  set_connectors_ptr: u64(),
  count_connectors: u32(),
  crtc_id: u32(),
  fb_id: u32(),
  x: u32(),
  y: u32(),
  gamma_size: u32(),
  mode_valid: u32(),
  mode: nested(ModeInfo),
});

/** Source values are 16.16 fixed point. Note the order: height before width. */
export const SetPlane = struct('drm_mode_set_plane', {
  plane_id: u32(),
  crtc_id: u32(),
  fb_id: u32(),
  flags: u32(),
  crtc_x: s32(),
  crtc_y: s32(),
  crtc_w: u32(),
  crtc_h: u32(),
  src_x: u32(),
  src_y: u32(),
  src_h: u32(),
  src_w: u32(),
});

export const GetPlane = struct('drm_mode_get_plane', {
  plane_id: u32(),
  crtc_id: u32(),
  fb_id: u32(),
  possible_crtcs: u32(),
  gamma_size: u32(),
  count_format_types: u32(),
  format_type_ptr: u64(),
});

export const GetPlaneRes = struct('drm_mode_get_plane_res', { plane_id_ptr: u64(), count_planes: u32() });

export const GetEncoder = struct('drm_mode_get_encoder', {
  encoder_id: u32(),
  encoder_type: u32(),
  crtc_id: u32(),
  possible_crtcs: u32(),
  possible_clones: u32(),
});

export const GetConnector = struct('drm_mode_get_connector', {
  encoders_ptr: u64(),
  modes_ptr: u64(),
  props_ptr: u64(),
  prop_values_ptr: u64(),
  count_modes: u32(),
  count_props: u32(),
  count_encoders: u32(),
  encoder_id: u32(),
  connector_id: u32(),
  connector_type: u32(),
  connector_type_id: u32(),
  connection: u32(),
  mm_width: u32(),
  mm_height: u32(),
  subpixel: u32(),
  pad: u32(),
});

export const PropertyEnum = struct('drm_mode_property_enum', { value: u64(), name: bytes(32) });

export const GetProperty = struct('drm_mode_get_property', {
  values_ptr: u64(),
  enum_blob_ptr: u64(),
  prop_id: u32(),
  flags: u32(),
  name: bytes(32),
  count_values: u32(),
  count_enum_blobs: u32(),
});

export const ConnectorSetProperty = struct('drm_mode_connector_set_property', {
  value: u64(),
  prop_id: u32(),
  connector_id: u32(),
});

export const ObjGetProperties = struct('drm_mode_obj_get_properties', {
  props_ptr: u64(),
  prop_values_ptr: u64(),
  count_props: u32(),
  obj_id: u32(),
  obj_type: u32(),
});

export const ObjSetProperty = struct('drm_mode_obj_set_property', {
  value: u64(),
  prop_id: u32(),
  obj_id: u32(),
  obj_type: u32(),
});

export const GetBlob = struct('drm_mode_get_blob', { blob_id: u32(), length: u32(), data: u64() });
export const CreateBlob = struct('drm_mode_create_blob', { data: u64(), length: u32(), blob_id: u32() });
export const DestroyBlob = struct('drm_mode_destroy_blob', { blob_id: u32() });

export const FbCmd = struct('drm_mode_fb_cmd', {
  fb_id: u32(),
  width: u32(),
  height: u32(),
  pitch: u32(),
  bpp: u32(),
  depth: u32(),
  handle: u32(),
});

export const FbCmd2 = struct('drm_mode_fb_cmd2', {
  fb_id: u32(),
  width: u32(),
  height: u32(),
  pixel_format: u32(),
  flags: u32(),
  handles: array(u32(), 4),
  pitches: array(u32(), 4),
  offsets: array(u32(), 4),
  modifier: array(u64(), 4),
});
export type FbCmd2 = Infer<typeof FbCmd2>;

export const RmFb = struct('unsigned int', { fb_id: u32() });
export const CloseFb = struct('drm_mode_closefb', { fb_id: u32(), pad: u32() });

export const ClipRect = struct('drm_clip_rect', { x1: u16(), y1: u16(), x2: u16(), y2: u16() });
export const FbDirtyCmd = struct('drm_mode_fb_dirty_cmd', {
  fb_id: u32(),
  flags: u32(),
  color: u32(),
  num_clips: u32(),
  clips_ptr: u64(),
});

export const Cursor = struct('drm_mode_cursor', {
  flags: u32(),
  crtc_id: u32(),
  x: s32(),
  y: s32(),
  width: u32(),
  height: u32(),
  handle: u32(),
});
export const Cursor2 = struct('drm_mode_cursor2', {
  flags: u32(),
  crtc_id: u32(),
  x: s32(),
  y: s32(),
  width: u32(),
  height: u32(),
  handle: u32(),
  hot_x: s32(),
  hot_y: s32(),
});

export const CrtcLut = struct('drm_mode_crtc_lut', {
  crtc_id: u32(),
  gamma_size: u32(),
  red: u64(),
  green: u64(),
  blue: u64(),
});
/** One entry of a GAMMA_LUT blob: 0 is 0.0, 0xffff is 1.0. */
export const ColorLut = struct('drm_color_lut', { red: u16(), green: u16(), blue: u16(), reserved: u16() });

/** `sequence` is `reserved` in the older struct of the same size. */
export const PageFlipTarget = struct('drm_mode_crtc_page_flip_target', {
  crtc_id: u32(),
  fb_id: u32(),
  flags: u32(),
  sequence: u32(),
  user_data: u64(),
});

export const CreateDumb = struct('drm_mode_create_dumb', {
  height: u32(),
  width: u32(),
  bpp: u32(),
  flags: u32(),
  handle: u32(),
  pitch: u32(),
  size: u64(),
});
export const MapDumb = struct('drm_mode_map_dumb', { handle: u32(), pad: u32(), offset: u64() });
export const DestroyDumb = struct('drm_mode_destroy_dumb', { handle: u32() });

export const AtomicCommit = struct('drm_mode_atomic', {
  flags: u32(),
  count_objs: u32(),
  objs_ptr: u64(),
  count_props_ptr: u64(),
  props_ptr: u64(),
  prop_values_ptr: u64(),
  reserved: u64(),
  user_data: u64(),
});

/** Head of an IN_FORMATS blob; formats (u32) and FormatModifier records follow at the given offsets. */
export const FormatModifierBlob = struct('drm_format_modifier_blob', {
  version: u32(),
  flags: u32(),
  count_formats: u32(),
  formats_offset: u32(),
  count_modifiers: u32(),
  modifiers_offset: u32(),
});
export const FORMAT_BLOB_CURRENT = 1;
/** Bit n of `formats`: the modifier goes with format number offset + n. */
export const FormatModifier = struct('drm_format_modifier', {
  formats: u64(),
  offset: u32(),
  pad: u32(),
  modifier: u64(),
});

export const CreateLease = struct('drm_mode_create_lease', {
  object_ids: u64(),
  object_count: u32(),
  flags: u32(),
  lessee_id: u32(),
  fd: u32(),
});
export const ListLessees = struct('drm_mode_list_lessees', { count_lessees: u32(), pad: u32(), lessees_ptr: u64() });
export const GetLease = struct('drm_mode_get_lease', { count_objects: u32(), pad: u32(), objects_ptr: u64() });
export const RevokeLease = struct('drm_mode_revoke_lease', { lessee_id: u32() });

/** The union as one struct: `signal` is the reply's tval_sec, and the reply alone has tval_usec. */
export const WaitVblank = struct('drm_wait_vblank', { type: u32(), sequence: u32(), signal: u64(), tval_usec: s64() });

export const CrtcGetSequence = struct('drm_crtc_get_sequence', {
  crtc_id: u32(),
  active: u32(),
  sequence: u64(),
  sequence_ns: s64(),
});
export const CrtcQueueSequence = struct('drm_crtc_queue_sequence', {
  crtc_id: u32(),
  flags: u32(),
  sequence: u64(),
  user_data: u64(),
});

export const EventVblank = struct('drm_event_vblank', {
  type: u32(),
  length: u32(),
  user_data: u64(),
  tv_sec: u32(),
  tv_usec: u32(),
  sequence: u32(),
  crtc_id: u32(),
});
export const EventCrtcSequence = struct('drm_event_crtc_sequence', {
  type: u32(),
  length: u32(),
  user_data: u64(),
  time_ns: s64(),
  sequence: u64(),
});

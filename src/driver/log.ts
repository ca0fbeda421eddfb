/** How the driver's parts write log lines, and numbers in them. */
import type { Level } from '../board/log.ts';

/** A log with the device's name already in it. */
export type Logger = (level: Level, message: string) => void;

/** `0x2a`, padded with zeros to `digits`. */
export const hex = (value: number | bigint, digits = 0): string => `0x${value.toString(16).padStart(digits, '0')}`;

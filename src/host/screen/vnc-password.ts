/**
 * VNC's challenge and response: the client encrypts sixteen random bytes by DES, with the password as key.
 * Source: RFC 6143, 7.2.2. That the bits of each byte of the key are mirrored is told by no RFC, but every client does it.
 */
import { createCipheriv, timingSafeEqual } from 'node:crypto';
import { RFB_PASSWORD } from '../../abi/rfb.ts';

/** What a client that knows the password answers. */
export function answerTo(challenge: Uint8Array, password: string): Uint8Array {
  const key = new Uint8Array(RFB_PASSWORD);
  for (let i = 0; i < RFB_PASSWORD; i++) key[i] = mirrored(password.charCodeAt(i) || 0);
  // OpenSSL has single DES among its legacy ciphers only; three times the same key is the same.
  const cipher = createCipheriv('des-ede3', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return cipher.update(challenge);
}

export const isAnswer = (answer: Uint8Array, challenge: Uint8Array, password: string): boolean =>
  timingSafeEqual(answer, answerTo(challenge, password));

function mirrored(byte: number): number {
  let out = 0;
  for (let i = 0; i < 8; i++) out |= ((byte >>> i) & 1) << (7 - i);
  return out;
}

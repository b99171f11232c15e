import { readFile, writeFile } from 'node:fs/promises'
import { guestFirmwarePath } from '@strongroom/contract'
import { findCode, unpack, withCode } from '../../../packages/firmware/src/compressed-code.ts'

/** The version that Debian's OVMF measures into PCR 0, for example 2025.02-8+deb13u1. */
const version = /\d{4}\.\d{2}-\d+(?:[+~.][0-9a-z.+~]+)?/

/** Debian's OVMF as a later build would be: another version in its code, and so another launch measurement. */
export async function laterFirmware(path: string): Promise<{ path: string; was: string; is: string }> {
  const flash = await readFile(guestFirmwarePath)
  const place = findCode(flash)
  const code = await unpack(place)
  const was = version.exec(code.toString('utf16le'))?.[0] ?? version.exec(code.subarray(1).toString('utf16le'))?.[0]
  const is = was?.replace(/-\d/, '-9')
  if (was === undefined || is === undefined || was === is) throw new Error('no version in the firmware can be changed')
  const bytes = Buffer.from(was, 'utf16le')
  for (let at = code.indexOf(bytes); at >= 0; at = code.indexOf(bytes, at + 1)) code.write(is, at, 'utf16le')
  const made = await withCode(flash, place, code)
  await writeFile(path, made)
  return { path, was, is }
}

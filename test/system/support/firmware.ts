import { readFile, writeFile } from 'node:fs/promises'
import { guestFirmwarePath } from '@strongroom/contract'
import { withChangedCode } from '../../../packages/firmware/src/kernel-loader.ts'

/** The version that Debian's OVMF measures into PCR 0, for example 2025.02-8+deb13u1. */
const version = /\d{4}\.\d{2}-\d+(?:[+~.][0-9a-z.+~]+)?/

/** Debian's OVMF as a later build would be: another version in its code, and so another launch measurement. */
export async function laterFirmware(path: string): Promise<{ path: string; was: string; is: string }> {
  let [was, is] = ['', '']
  const made = await withChangedCode(await readFile(guestFirmwarePath), (code) => {
    const text = code.toString('utf16le')
    was = version.exec(text)?.[0] ?? version.exec(code.subarray(1).toString('utf16le'))?.[0] ?? ''
    is = was.replace(/-\d/, '-9')
    const bytes = Buffer.from(was, 'utf16le')
    let changed = false
    for (let at = code.indexOf(bytes); was !== is && at >= 0; at = code.indexOf(bytes, at + 1)) {
      code.write(is, at, 'utf16le')
      changed = true
    }
    return changed
  })
  if (was === is) throw new Error('the firmware has no version that could be changed')
  await writeFile(path, made)
  return { path, was, is }
}

import { spawn } from 'node:child_process'
import { FirmwareError } from './firmware-error.ts'

/**
 * Output of xz, and how it ended.
 * @throws FirmwareError if it is not installed
 */
export async function xz(args: string[], input: Uint8Array): Promise<{ output: Buffer; code: number | null }> {
  const child = spawn('xz', args, { stdio: ['pipe', 'pipe', 'ignore'], env: { PATH: process.env['PATH'] } })
  const parts: Buffer[] = []
  child.stdout.on('data', (part: Buffer) => parts.push(part))
  // A program that refuses its input does not read all of it; its exit code shows that.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((done, fail) => {
    child.once('close', done)
    child.once('error', fail)
  }).catch((cause: unknown) => {
    throw new FirmwareError({
      message: 'The program xz, which unpacks the firmware, does not run.',
      expected: 'xz in PATH',
      found: (cause as Error).message,
      remedy: 'apt-get install xz-utils',
    })
  })
  return { output: Buffer.concat(parts), code }
}

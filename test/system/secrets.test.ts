import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compose, type RunningInstallation } from '../../apps/strongroomd/src/compose.ts'
import { findMarks } from './support/canary.ts'
import { TestInstallation } from './support/installation.ts'

/** The server runs inside this process, so that the tests may speak as the platform's own principals, as an operator's insider could. */
const installation = await TestInstallation.create()
let server: RunningInstallation

beforeAll(async () => {
  process.env['XDG_CONFIG_HOME'] = `${installation.home}/config`
  await mkdir(installation.stateDir, { recursive: true, mode: 0o700 })
  server = await compose({
    stateDir: installation.stateDir,
    cacheDir: installation.cacheDir,
    ports: { tls: String(installation.ports.tls), local: String(installation.ports.local) },
  })
  await installation.must('image', 'build')
  await installation.must('vm', 'create', 'canary')
})

afterAll(async () => {
  await server.close()
  await installation.remove()
})

describe('secrets of a running VM', () => {
  it('never appear in a file under the state directory, in a log, in an argument list or an environment', async () => {
    const diskMark = randomBytes(24)
    const tpmMark = randomBytes(24)
    const script = [
      `printf %s ${diskMark.toString('hex')} | xxd -r -p | sudo tee /var/lib/canary.bin >/dev/null`,
      `for i in $(seq 200); do sudo cp /var/lib/canary.bin /var/lib/canary-$i.bin; done; sync`,
      'sudo tpm2_nvdefine -Q 0x01500001 -C o -s 24',
      'sudo tpm2_nvwrite -Q 0x01500001 -C o -i /var/lib/canary.bin',
      `printf %s ${tpmMark.toString('hex')} | xxd -r -p | sudo tpm2_nvwrite -Q 0x01500001 -C o -i -`,
      'sync; sleep 3',
      'sudo dmsetup table --showkeys root | cut -d" " -f5',
    ].join('; ')
    const run = await installation.inGuest('canary', script)
    expect(run.code, run.stderr).toBe(0)
    const volumeKey = run.stdout.trim()
    // The kernel shows the key itself, or where it lies in its keyring; the keyring's content does not leave the kernel.
    const marks = [diskMark, tpmMark]
    if (/^[0-9a-f]{64,128}$/.test(volumeKey)) marks.push(Buffer.from(volumeKey, 'hex'))
    const found = await findMarks(installation.stateDir, marks)
    expect(found).toEqual([])
  })

  it('are found by this scan where they do lie in clear: in a file that holds one', async () => {
    const mark = randomBytes(24)
    const { writeFile, rm } = await import('node:fs/promises')
    await writeFile(
      `${installation.stateDir}/planted`,
      Buffer.concat([randomBytes(5000), Buffer.from(mark.toString('base64'))]),
    )
    expect(await findMarks(installation.stateDir, [mark])).toEqual([`${installation.stateDir}/planted`])
    await rm(`${installation.stateDir}/planted`)
  })
})

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'

const source = resolve(import.meta.dirname, '../../packaging/debian/strongroom.service')
/** In systemd-analyze's unit: tenths of an exposure between 0 and 10. */
const most = 20
const directory = mkdtempSync(join(tmpdir(), 'strongroom-service-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** Whether the unit's exposure is within the limit, and the analysis. */
function analysed(unit: string): { held: boolean; said: string } {
  const path = join(directory, 'strongroom.service')
  writeFileSync(path, unit)
  const args = ['security', '--offline=true', `--threshold=${most}`, '--no-pager', path]
  const { status, stdout, stderr } = spawnSync('systemd-analyze', args, { encoding: 'utf8' })
  return { held: status === 0, said: stdout + stderr }
}

describe("the Debian package's service", () => {
  const unit = readFileSync(source, 'utf8')

  it(`is exposed by ${most / 10} of 10 at most`, () => {
    const { held, said } = analysed(unit)
    expect(said).toContain('Overall exposure level for strongroom.service')
    expect(held, said).toBe(true)
    const opened = unit.replace(/^(CapabilityBoundingSet|PrivateDevices|IPAddressDeny|SystemCallFilter)=.*$/gm, '')
    expect(analysed(opened).held).toBe(false)
  })

  it('has settings that systemd knows, all of them', () => {
    const verified = (text: string): string => {
      writeFileSync(
        join(directory, 'verified.service'),
        text.replace(/^ExecStart=(?:.*\\\n)*.*$/m, 'ExecStart=/bin/true'),
      )
      return spawnSync('systemd-analyze', ['verify', '--man=no', join(directory, 'verified.service')], {
        encoding: 'utf8',
      }).stderr
    }
    expect(verified(unit)).not.toMatch(/Unknown|Failed to parse|Invalid/)
    expect(verified(unit.replace('PrivateDevices=', 'PrivateDevice='))).toMatch(/Unknown/)
  })

  it('takes no secret from its environment, and the master key as a credential', () => {
    expect(unit).toMatch(/^ImportCredential=strongroom-master-key$/m)
    expect(unit).not.toMatch(/secret|password/i)
  })
})

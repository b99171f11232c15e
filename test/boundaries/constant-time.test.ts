import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const tracked = execFileSync('git', ['ls-files', '*.ts'], { cwd: root, encoding: 'utf8' }).trim().split('\n')
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

describe('secrets that a caller sends', () => {
  /** Where one is compared with ours; everywhere else it is hashed, or looked up by a key that is not a secret. */
  const comparing = [
    'packages/platform/src/master-key/root-key.ts',
    'packages/platform/src/store/bound/bound-table.ts',
    'services/attestation/src/tpm/challenges.ts',
    'services/control-plane/src/fleet/registry.ts',
    'services/control-plane/src/providers/compute/vm/boot-diagnostics.ts',
    'services/control-plane/src/store/passwords.ts',
    'services/host/src/disks/stored/access-grants.ts',
    'services/identity/src/directory/principals.ts',
    'services/identity/src/directory/secret.ts',
    'services/paravisor/src/tpm/boot-updates.ts',
    'services/paravisor/src/variables/variable-consent.ts',
    'services/paravisor/src/vmgs/seal.ts',
    'services/vault/src/keystore/digest-info.ts',
    'services/vault/src/release/placement.ts',
  ]
  const secret = '\\w*(?:signature|hmac|secret|password|passphrase|verifier|accessKey|\\bmac)'
  const constant = `(?!undefined|null|typeof|true|false|['"\`\\d])`
  const naive = [
    new RegExp(`\\b${secret} *[!=]== ${constant}`, 'i'),
    new RegExp(`[!=]== (?:\\w+\\.)*${secret}\\b *(?:[);&|?:]|$)`, 'i'),
    new RegExp(`\\b${secret}\\.(?:equals|compare|startsWith)\\(`, 'i'),
  ]
  const isNaive = (line: string): boolean =>
    !/undefined|null|typeof|'string'/.test(line) && naive.some((each) => each.test(line))

  it('are compared in constant time, by the platform’s function alone (attack Q7)', () => {
    // Evidence and policies are public.
    const holders = /^(packages\/platform|services|apps)\/.*(?<!\.test)\.ts$/
    const sources = tracked.filter((file) => holders.test(file))
    const use = sources.filter((file) => /^(?!import ).*\btimingSafeEqual\(/m.test(read(file)))
    expect(use).toEqual(comparing)
    const found = sources.flatMap((file) =>
      read(file)
        .split('\n')
        .filter(isNaive)
        .map((line) => `${file}: ${line.trim()}`),
    )
    expect(found).toEqual([])
  })

  it.each([
    'if (given === secret) return true',
    'return signature === wanted',
    'if (this.password !== o.password) throw refused()',
    'return hmac.equals(given)',
    'return due.mac === given.mac;',
  ])('would be found in: %s', (line) => {
    expect(isNaive(line)).toBe(true)
  })
})

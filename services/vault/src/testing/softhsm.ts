import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Of Debian's package libsofthsm2. */
export const softhsmModule = '/usr/lib/softhsm/libsofthsm2.so'
export const hasSoftHsm: boolean = existsSync(softhsmModule)

export interface SoftHsm {
  directory: string
  /** For SOFTHSM2_CONF of other programs; this process already has it. */
  configuration: string
  pin: string
  /** Creates a token. The module sees it once it is (re)started. */
  addToken(label: string): void
  /** Removes all tokens. */
  removeTokens(): void
  remove(): void
}

/** A separate SoftHSM. One per process: the module reads the location of its tokens only once. */
export function createSoftHsm(): SoftHsm {
  const directory = mkdtempSync(join(tmpdir(), 'strongroom-softhsm-'))
  const tokens = join(directory, 'tokens')
  mkdirSync(tokens)
  const configuration = join(directory, 'softhsm2.conf')
  writeFileSync(configuration, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`)
  process.env['SOFTHSM2_CONF'] = configuration
  const pin = 'pin-of-a-test-58213377'
  return {
    directory,
    configuration,
    pin,
    addToken: (label) => {
      const args = ['--init-token', '--free', '--label', label, '--pin', pin, '--so-pin', '31415926']
      execFileSync('softhsm2-util', args, { env: { ...process.env, SOFTHSM2_CONF: configuration }, stdio: 'pipe' })
    },
    removeTokens: () => {
      rmSync(tokens, { recursive: true })
      mkdirSync(tokens)
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  }
}

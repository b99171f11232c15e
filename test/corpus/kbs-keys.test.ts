import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, parseCertificate, parsePem, spkiSha256, utf8 } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { detect } from '../../packages/evidence/src/bundle/detect.ts'
import { Pool } from '../../packages/evidence/src/bundle/pieces/pool.ts'
import { selectKey } from '../../packages/evidence/src/tokens/keys.ts'
import { requirePinned } from '../../packages/evidence/src/tokens/pinned.ts'
import { corpus, read } from './corpus.ts'

const folder = 'confidential-containers-trustee'
const at = new Date('2026-06-01')
const textOf = (name: string): string => new TextDecoder().decode(read(`${folder}/${name}`))

/** Keys of Trustee’s key broker, with their certificates, and the roots that its tests trust. */
describe.skipIf(!existsSync(join(corpus, folder, 'scenario01-jwk.json')))('the key of a token of Trustee', () => {
  const pinned = async (scenario: number, trust = `scenario0${scenario}-trust.pem`): Promise<string> => {
    const key = JSON.parse(textOf(`scenario0${scenario}-jwk.json`)) as Record<string, unknown>
    const pem = textOf(trust)
    const roots = await Promise.all(
      parsePem(pem).map(async (der) => {
        const root: Certificate = parseCertificate(der)
        return { name: root.subject.commonName!, spkiSha256: await spkiSha256(root) }
      }),
    )
    const pool = await Pool.of(detect('trust.pem', utf8(pem)), at, [], {})
    const chainFrom = (leaf: Certificate, own: readonly Certificate[]): Certificate[] => pool.chainFrom(leaf, own)
    try {
      selectKey({ keys: [key], kid: undefined, algorithm: 'RS256', unnamed: true })
      return await requirePinned(key, { roots, chainFrom, at })
    } catch (error) {
      return (error as { code: string }).code
    }
  }

  it.each([
    [1, 'scenario01-root', 'its certificate is the root'],
    [2, 'TokenKeyNotAllowed', 'its certificate is of another key'],
    [3, 'Missing', 'it has no certificate'],
    [4, 'UntrustedRoot', 'another root is trusted'],
    [5, 'scenario05-root', 'an intermediate is between'],
    [6, 'scenario06-root', 'its certificates stand in another order'],
  ])('of scenario %i is %s, as %s', async (scenario, wanted) => {
    expect(await pinned(scenario)).toBe(wanted)
  })

  it('has no chain in scenario 7, whose trusted certificates the source does not publish', async () => {
    expect(await pinned(7, 'scenario05-trust.pem')).toBe('UntrustedRoot')
  })
})

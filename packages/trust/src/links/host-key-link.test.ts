import { createHash } from 'node:crypto'
import type { BootFacts } from '@strongroom/contract'
import { volumeSeparator } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { vouch } from '../provenance/known.ts'
import { Proof } from '../provenance/link.ts'
import type { Registers } from '../provenance/vtpm.ts'
import { fingerprint } from './fingerprint.ts'
import { hostKeyLink } from './host-key-link.ts'

const key = `ssh-ed25519 ${Buffer.concat([Buffer.from('\0\0\0\u000bssh-ed25519\0\0\0 '), Buffer.alloc(32, 7)]).toString('base64')}`
const sha256 = (...parts: (string | Uint8Array)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** What a boot showed that measured these texts into PCR 15: its evidence, and the quoted registers. */
function shown(texts: string[], change: Partial<BootFacts> = {}): { evidence: BootFacts; registers: Registers } {
  const records = texts.map((text) => {
    const digests = [{ hashAlg: 'sha256', digest: sha256(text).toString('hex') }]
    return `\u001e${JSON.stringify({ pcr: 15, digests, content: { string: text } })}\n`
  })
  const userspaceLog = Buffer.from(records.join('')).toString('base64url')
  let quoted: Buffer = Buffer.alloc(32)
  for (const text of texts) quoted = sha256(quoted, sha256(text))
  const evidence = { measuredBoot: { userspaceLog }, osDisk: { encryption: 'LUKS2' }, ...change }
  return { evidence: evidence as unknown as BootFacts, registers: new Map([[15, new Uint8Array(quoted)]]) }
}

async function linked(
  { evidence, registers }: ReturnType<typeof shown>,
  pinned?: string,
): Promise<{ hostKey: string } & Pick<Proof, 'shows' | 'stated' | 'restsOn'>> {
  const proof = new Proof()
  const known = {
    registers: vouch(registers, 'vTPM'),
    pinned: pinned === undefined ? undefined : vouch(pinned, 'verifier'),
  }
  const hostKey = (await hostKeyLink(evidence, { ...known, proof })).value
  const { shows, stated, restsOn } = proof
  return { hostKey, shows, stated, restsOn }
}

describe('the link to the SSH host key', () => {
  const measured = [volumeSeparator, `strongroom-ssh-host-key:1:${key}`]

  it('shows its type and fingerprint, and gives the key to whoever connects', async () => {
    const fingerprint = sha256(Buffer.from(key.split(' ')[1]!, 'base64'))
      .toString('base64')
      .replace('=', '')
    expect(await linked(shown(measured))).toEqual({
      hostKey: key,
      shows: [`SSH host key ssh-ed25519 SHA256:${fingerprint}, measured into PCR 15 once SSH listened`],
      stated: [],
      restsOn: ['vTPM'],
    })
  })

  it('says who else has it where the disk is not encrypted', async () => {
    const { stated } = await linked(shown(measured, { osDisk: { encryption: 'none' } }))
    expect(stated[0]).toBe('the OS disk is not encrypted: whoever has it has this key too')
  })

  it('shows that there is none, and gives none', async () => {
    const found = await linked(shown([volumeSeparator, 'strongroom-ssh-host-key:1:none']))
    expect(found).toMatchObject({
      hostKey: 'none',
      shows: ['the guest measured into PCR 15 that it has no Ed25519 SSH host key'],
    })
  })

  it('is not checked, with what to do, for images of before that measure none', async () => {
    await expect(linked(shown([volumeSeparator]))).rejects.toMatchObject({
      name: 'LinkNotChecked',
      message: expect.stringContaining('Recreate the VM from a current image.') as string,
    })
    await expect(linked(shown(measured, { guestRan: false }))).rejects.toMatchObject({
      message: 'No guest ran, so there is no SSH host key.',
    })
  })

  it('is not checked without a report, without a log, and without PCR 15 in the quote', async () => {
    const { evidence, registers } = shown(measured)
    const { measuredBoot: _boot, ...earlier } = evidence
    const { userspaceLog: _log, ...unlogged } = evidence.measuredBoot!
    for (const [of, quoted] of [
      [earlier as BootFacts, registers],
      [{ ...evidence, measuredBoot: unlogged }, registers],
      [evidence, new Map()],
    ] as const)
      await expect(linked({ evidence: of, registers: quoted })).rejects.toMatchObject({ name: 'LinkNotChecked' })
  })

  it('is the one of the last trusted boot, or refused with the reason', async () => {
    expect((await linked(shown(measured), key)).hostKey).toBe(key)
    const other = key.replace('cHBwc', 'cIBwc')
    for (const [texts, actual] of [
      [measured, await fingerprint(key)],
      [[volumeSeparator, 'strongroom-ssh-host-key:1:none'], 'none'],
    ] as const)
      await expect(linked(shown([...texts]), other)).rejects.toMatchObject({
        code: 'HostKeyChanged',
        message: expect.stringContaining('strongroom vm trust --new-host-key') as string,
        expected: await fingerprint(other),
        actual,
      })
  })

  it('is refused where the host names another key than the quote has (attack H26)', async () => {
    const { evidence } = shown([volumeSeparator, `strongroom-ssh-host-key:1:${key.replace('cHBwc', 'cIBwc')}`])
    const { registers } = shown(measured)
    await expect(linked({ evidence, registers })).rejects.toMatchObject({ code: 'EventLogMismatch' })
  })
})

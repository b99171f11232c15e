import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { systemClock } from '../clock/clock.ts'
import { openInstallation } from '../installation/installation.ts'
import { run } from '../programs/run.ts'
import { createSealer, type Sealer } from '../sealing/sealer.ts'
import { openAuthority, type InstallationAuthority } from './authority.ts'

async function temporary(): Promise<{ stateDir: string; open: (sealer?: Sealer) => Promise<InstallationAuthority> }> {
  const stateDir = mkdtempSync(join(tmpdir(), 'strongroom-authority-'))
  onTestFinished(() => rmSync(stateDir, { recursive: true }))
  const { installation } = await openInstallation({ stateDir })
  const own = createSealer(Uint8Array.from(randomBytes(32)))
  return { stateDir, open: (sealer = own) => openAuthority({ stateDir, sealer, clock: systemClock, installation }) }
}

describe('openAuthority', () => {
  it('makes one authority per installation, also when two processes start at once, and keeps it', async () => {
    const { open } = await temporary()
    const [a, b] = await Promise.all([open(), open()])
    expect(a.caPem).toBe(b.caPem)
    const again = await open()
    expect(again.caPem).toBe(a.caPem)
    expect(readFileSync(a.caPath, 'utf8')).toBe(a.caPem)
  })

  it('leaves no private key in clear under the state directory', async () => {
    const { stateDir, open } = await temporary()
    await open()
    for (const file of readdirSync(stateDir))
      expect(readFileSync(join(stateDir, file), 'latin1')).not.toContain('PRIVATE')
    expect(readdirSync(stateDir).toSorted()).toEqual(['ca.key.sealed', 'ca.pem', 'installation.json'])
  })

  it('refuses to work under another master key instead of making a new authority', async () => {
    const { open } = await temporary()
    await open()
    await expect(open(createSealer(new Uint8Array(32)))).rejects.toMatchObject({ code: 'AuthorityUnreadable' })
  })

  it('has leaves for its own names only', async () => {
    const authority = await (await temporary()).open()
    const leaf = await authority.serverCredentials('My-Vault.vault.strongroom.internal')
    const certificate = new X509Certificate(leaf!.cert)
    expect(certificate.checkHost('my-vault.vault.strongroom.internal')).toBeDefined()
    expect(certificate.ca).toBe(false)
    expect(certificate.verify(new X509Certificate(authority.caPem).publicKey)).toBe(true)
    for (const name of [
      'example.com',
      'strongroom.internal.example.com',
      'a..strongroom.internal',
      'x\0.strongroom.internal',
      '*.vault.strongroom.internal',
      'a.b.strongroom.internal',
      'a.b.vault.strongroom.internal',
      'a.xyz.attest.strongroom.internal',
      '',
    ]) {
      expect(await authority.serverCredentials(name), name).toBeUndefined()
    }
  })

  it('makes no leaf for a name that a caller made up, though he has one (attack W5)', async () => {
    const authority = await (await temporary()).open()
    const certificates = new Set<string>()
    for (let n = 0; n < 1_000; n++)
      for (const parent of ['', 'vault.', 'weu.attest.']) {
        const leaf = await authority.serverCredentials(`n${n}.${parent}strongroom.internal`)
        expect(new X509Certificate(leaf!.cert).checkHost(`n${n}.${parent}strongroom.internal`)).toBeDefined()
        certificates.add(leaf!.cert)
      }
    expect(certificates.size).toBe(3)
  })

  it('is limited to its own names, so that trusting it puts no other site at risk', async () => {
    const { stateDir, open } = await temporary()
    const authority = await open()
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const spki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))
    const leaf = (name: string): Promise<string> =>
      authority.issueCertificate({
        subject: 'CN=Test',
        publicKey: spki,
        usages: ['serverAuth'],
        days: 1,
        dnsNames: [name],
      })
    const verify = async (pem: string): Promise<number> => {
      const stdin = pem
      const args = ['verify', '-x509_strict', '-CAfile', authority.caPath]
      return (await run({ command: 'openssl', args, stdin, cwd: stateDir, allow: [2] })).code
    }
    expect(await verify(await leaf('management.strongroom.internal'))).toBe(0)
    expect(await verify(await leaf('www.example.com'))).toBe(2)
  })

  it('certifies a key of someone else with the extensions that were asked for', async () => {
    const authority = await (await temporary()).open()
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const pem = await authority.issueCertificate({
      subject: 'CN=Attestation key, O=Strongroom',
      publicKey: Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
      usages: ['digitalSignature'],
      days: 7,
      extensions: [{ oid: '1.3.6.1.4.1.99999.1', value: Uint8Array.of(0x0c, 0x02, 0x68, 0x69) }],
    })
    const certificate = new X509Certificate(pem)
    expect(certificate.publicKey.equals(publicKey)).toBe(true)
    expect(certificate.verify(new X509Certificate(authority.caPem).publicKey)).toBe(true)
    expect(certificate.subject).toContain('Attestation key')
    expect(certificate.raw.includes(Buffer.from('0c026869', 'hex'))).toBe(true)
  })
})

import { oid, sequence, authorityExtensions } from '@strongroom/der'
import {
  ByteWriter,
  buildHclReport,
  concat,
  digest,
  fromBase64Url,
  hclReportData,
  type Jwk,
  objectAttributes,
  parseEventLog,
  parseGuid,
  replay,
  toBase64Url,
  toHex,
  type TrustAnchors,
  utf8,
} from '@strongroom/evidence'
import { imageMeasurementsText, imageMeasurementsType, systemdPhases } from '@strongroom/evidence/expected'
import { type BootEvidence, releaseSigningUsage } from '@strongroom/contract'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import { memoryKeyStore, settableClock, tinyFirmware } from '@strongroom/silicon/testing'
import { issueCertificate, leafExtensions } from '../../packages/silicon/src/pki/certificate-writer.ts'
import { loadOrCreateKey } from '../../packages/silicon/src/pki/keys.ts'
import { toPem } from '../../packages/silicon/src/pki/pem-writer.ts'

/** A boot as a host records it, on its own silicon, and what its owner has to judge it. */
export interface Boot {
  evidence: BootEvidence
  /** Key set of the attestation provider, fetched by the owner. */
  jwks: unknown
  anchors: TrustAnchors
  /** PEM of the installation's authority. */
  ca: string
  at: Date
}

const vmId = '6F1E2B5C-0000-4000-8000-0123456789AB'
const base64url = toBase64Url
const json = (value: unknown): Uint8Array => utf8(JSON.stringify(value))

export interface RsaKey {
  pair: CryptoKeyPair
  jwk: { n: string; e: string }
  spki: Uint8Array
}

export async function rsaKey(): Promise<RsaKey> {
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength: 2048 }
  const pair = await crypto.subtle.generateKey({ ...algorithm, publicExponent: Uint8Array.of(1, 0, 1) }, true, [
    'sign',
    'verify',
  ])
  const { n = '', e = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  return { pair, jwk: { n, e }, spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)) }
}

export async function rs256(key: RsaKey, data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key.pair.privateKey, Uint8Array.from(data)))
}

async function jws(key: RsaKey, header: object, payload: object): Promise<string> {
  const input = `${base64url(json({ alg: 'RS256', ...header }))}.${base64url(json(payload))}`
  return `${input}.${base64url(await rs256(key, utf8(input)))}`
}

/** An image's measurements, as a host publishes them, and the key that readers pin. */
async function imageMeasurements(measuredAt: Date): Promise<{ jws: string; key: Jwk }> {
  const curve = { name: 'ECDSA', namedCurve: 'P-256' }
  const pair = await crypto.subtle.generateKey(curve, true, ['sign', 'verify'])
  const { kty = '', crv = '', x = '', y = '' } = await crypto.subtle.exportKey('jwk', pair.publicKey)
  const register = new Uint8Array(32).fill(4)
  const variables = (['PK', 'KEK', 'db', 'dbx'] as const).map((name) => ({ name, sha256: register }))
  const text = imageMeasurementsText({
    image: { id: 'reference-1', name: 'reference', version: '13.0.20261127', source: 'reference' },
    measuredAt,
    bootFile: { loader: register, sections: [{ name: '.linux', sha256: register }] },
    variables: { on: { variables, authority: register }, off: { variables, authority: undefined } },
  })
  const header = json({ alg: 'ES256', typ: imageMeasurementsType, kid: 'images' })
  const input = `${base64url(header)}.${base64url(text)}`
  const signing = { name: 'ECDSA', hash: 'SHA-256' }
  const signature = new Uint8Array(await crypto.subtle.sign(signing, pair.privateKey, Uint8Array.from(utf8(input))))
  return { jws: `${input}.${base64url(signature)}`, key: { kty, crv, x, y, kid: 'images', alg: 'ES256', use: 'sig' } }
}

export function akPublic({ jwk }: RsaKey): Uint8Array {
  const modulus = fromBase64Url(jwk.n)
  const o = objectAttributes
  const attributes = o.fixedTpm | o.fixedParent | o.sensitiveDataOrigin | o.userWithAuth | o.restricted | o.sign
  const area = new ByteWriter().u16be(0x0001).u16be(0x000b).u32be(attributes).u16be(0).u16be(0x0010)
  area.u16be(0x0014).u16be(0x000b).u16be(2048).u32be(0).u16be(modulus.length).bytes(modulus)
  const body = area.finish()
  return new ByteWriter().u16be(body.length).bytes(body).finish()
}

function variable(name: string, vendor: string, data: Uint8Array): Uint8Array {
  const writer = new ByteWriter().bytes(parseGuid(vendor)).u64le(BigInt(name.length)).u64le(BigInt(data.length))
  for (const letter of name) writer.u16le(letter.charCodeAt(0))
  return writer.bytes(data).finish()
}

/** Firmware's log of a boot with Secure Boot on, of one unified kernel image. */
async function eventLog(): Promise<Uint8Array> {
  const spec = new ByteWriter().bytes(utf8('Spec ID Event03\0')).u32le(0).u8(0).u8(2).u8(0).u8(2)
  const header = spec.u32le(1).u16le(0x000b).u16le(32).u8(0).finish()
  const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header)
  const add = async (pcr: number, type: number, data: Uint8Array, measured = data): Promise<void> => {
    log.u32le(pcr).u32le(type).u32le(1).u16le(0x000b)
    log
      .bytes(await digest('SHA-256', measured))
      .u32le(data.length)
      .bytes(data)
  }
  const global = '8be4df61-93ca-11d2-aa0d-00e098032b8c'
  await add(0, 0x8, utf8('firmware'))
  await add(7, 0x80000001, variable('SecureBoot', global, Uint8Array.of(1)))
  await add(7, 0x80000001, variable('PK', global, utf8('key')))
  await add(4, 0x80000007, utf8('Calling EFI Application from Boot Option'))
  for (let pcr = 0; pcr < 8; pcr++) await add(pcr, 0x4, new Uint8Array(4))
  await add(4, 0x80000003, utf8('path'), utf8('MZ the kernel'))
  for (const section of ['.linux', '.cmdline']) {
    await add(11, 0xd, utf8(section), utf8(`${section}\0`))
    await add(11, 0xd, utf8(section), utf8(`content of ${section}`))
  }
  return log.finish()
}

async function quote(
  ak: RsaKey,
  nonce: Uint8Array,
  pcrs: ReadonlyMap<number, Uint8Array>,
): Promise<[Uint8Array, Uint8Array]> {
  const selected = new Uint8Array(3)
  for (const pcr of pcrs.keys()) selected[pcr >> 3]! |= 1 << (pcr & 7)
  const values = concat(...[...pcrs].toSorted(([left], [right]) => left - right).map(([, value]) => value))
  const message = new ByteWriter().u32be(0xff544347).u16be(0x8018).u16be(34).bytes(new Uint8Array(34).fill(1))
  message.u16be(nonce.length).bytes(nonce).zero(17).zero(8).u32be(1).u16be(0x000b).u8(3).bytes(selected)
  const bytes = message
    .u16be(32)
    .bytes(await digest('SHA-256', values))
    .finish()
  const signature = await rs256(ak, bytes)
  return [bytes, new ByteWriter().u16be(0x0014).u16be(0x000b).u16be(signature.length).bytes(signature).finish()]
}

const clock = settableClock()

/** A separate platform, under its own roots. */
export function makeSilicon(): Promise<Silicon> {
  return createSilicon({ keys: memoryKeyStore(), clock })
}

/** Boots nothing: creates what such a boot would leave, with every signature by the right key. */
export async function makeBoot(tee: 'SNP' | 'TDX', silicon: Silicon): Promise<Boot> {
  const at = clock.now()
  const [ak, transfer, provider, vault] = await Promise.all([rsaKey(), rsaKey(), rsaKey(), rsaKey()])
  const configuration = { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: vmId }
  const jwkOf = (kid: string, use: string, key: RsaKey): object => ({ kid, key_ops: [use], kty: 'RSA', ...key.jwk })
  const akJwk = jwkOf('HCLAkPub', 'sign', ak)
  const claims = json({
    keys: [jwkOf('HCLTransferKey', 'encrypt', transfer), akJwk],
    'vm-configuration': configuration,
    'user-data': '',
  })
  const vtpmClaims = json({ keys: [akJwk], 'vm-configuration': configuration })

  const firmware = tinyFirmware()
  const guest =
    tee === 'SNP'
      ? await silicon.amd.launch({ firmware, vCPUs: 2, vcpuType: 'EPYC-Milan' })
      : await silicon.intel.launch({ firmware })
  const report = async (data: Uint8Array): Promise<Uint8Array> => {
    const reportData = await hclReportData(data)
    return 'report' in guest ? guest.report(reportData) : guest.tdReport(reportData)
  }
  const hardware = await report(claims)
  const hclReport = buildHclReport({ hardwareReport: await report(vtpmClaims), reportType: tee, claims: vtpmClaims })

  const log = await eventLog()
  const pcrs = new Map<number, Uint8Array>(Array.from({ length: 15 }, (_, pcr) => [pcr, new Uint8Array(32)]))
  for (const [pcr, value] of await replay(parseEventLog(log), 'sha256')) pcrs.set(pcr, value)
  for (const phase of systemdPhases.get(11)!) {
    pcrs.set(11, await digest('SHA-256', pcrs.get(11)!, await digest('SHA-256', utf8(phase))))
  }
  const nonce = crypto.getRandomValues(new Uint8Array(32))
  const [message, signature] = await quote(ak, nonce, pcrs)

  const authority = await loadOrCreateKey(memoryKeyStore(), 'ca', 'ecdsa-p256-sha256')
  const validity = { notBefore: new Date(at.getTime() - 1000), notAfter: new Date(at.getTime() + 86_400_000) }
  const caName = [['CN', 'Strongroom installation']] as const
  const issued = { issuer: caName, signer: authority, ...validity }
  const ca = await issueCertificate({
    ...issued,
    serialNumber: 1n,
    subject: caName,
    subjectKey: authority.spki,
    extensions: authorityExtensions(),
  })
  const leaf = async (name: string, subjectKey: Uint8Array, serialNumber: bigint): Promise<Uint8Array> =>
    issueCertificate({
      ...issued,
      serialNumber,
      subject: [['CN', name]],
      subjectKey,
      extensions: [...leafExtensions(), { oid: '2.5.29.37', value: sequence(oid(releaseSigningUsage)) }],
    })

  const issuer = 'https://sharedlocal.attest.strongroom.internal'
  const seconds = Math.floor(at.getTime() / 1000)
  const reportData = toHex(await hclReportData(claims))
  const token = await jws(
    provider,
    { kid: 'provider', typ: 'JWT', jku: `${issuer}/certs` },
    {
      iss: issuer,
      iat: seconds,
      nbf: seconds,
      exp: seconds + 3600,
      'x-ms-compliance-status': 'azure-compliant-cvm',
      ...(tee === 'SNP' ? { 'x-ms-sevsnpvm-reportdata': reportData } : { tdx_report_data: reportData }),
    },
  )
  const x5c = [await leaf('vault', vault.spki, 2n), ca].map((der) => Buffer.from(der).toString('base64'))
  const released = {
    request: { 'api-version': '7.4', nonce: 'n' },
    response: {
      key: {
        key: {
          kid: 'https://platform.vault.strongroom.internal/keys/vm/1',
          kty: 'RSA-HSM',
          key_hsm: base64url(
            json({ header: { kid: 'HCLTransferKey', enc: 'CKM_RSA_AES_KEY_WRAP' }, ciphertext: 'AAAA' }),
          ),
        },
        release_policy: { data: base64url(json({ version: '1.0.0', anyOf: [] })) },
        tags: {},
      },
    },
  }
  const release = await jws(vault, { x5c }, released)
  const jwks = { keys: [{ kty: 'RSA', kid: 'provider', use: 'sig', alg: 'RS256', ...provider.jwk }] }

  const images = await imageMeasurements(at)
  const amd = await silicon.amd.endorsements()
  const intel = await silicon.intel.collateral()
  const evidence: BootEvidence = {
    version: 1,
    vmId,
    bootId: 'boot-1',
    startedAt: at.toISOString(),
    simulated: true,
    tee,
    silicon:
      tee === 'SNP'
        ? {
            kind: 'SNP',
            report: base64url(hardware),
            vcekChainPem: amd.vcekPem + amd.chainPem,
            crl: base64url(amd.crl),
          }
        : {
            kind: 'TDX',
            tdReport: base64url(hardware),
            quote: base64url(await silicon.intel.quote(hardware)),
            collateral: { ...intel, pckCrl: base64url(intel.pckCrl), rootCaCrl: base64url(intel.rootCaCrl) },
          },
    runtimeClaims: base64url(claims),
    expected: {
      firmwareSha256: toHex(await digest('SHA-256', firmware)),
      vCPUs: 2,
      vcpuType: 'EPYC-Milan',
      launchMeasurement: toHex('report' in guest ? guest.measurement : guest.mrtd),
      pcrs: Object.fromEntries([4, 7, 11].map((pcr) => [String(pcr), toHex(pcrs.get(pcr)!)])),
    },
    attestation: { issuer, token, jwks },
    release: { keyId: 'https://platform.vault.strongroom.internal/keys/vm/1', jws: release, at: at.toISOString() },
    guestState: { format: 'VMGS', generation: 1, freshDataKey: true },
    vtpm: {
      akPublic: base64url(akPublic(ak)),
      akCertificatePem: toPem([await leaf('vTPM', ak.spki, 3n)]),
      akCertificateChainPem: toPem([ca]),
      hclReport: base64url(hclReport),
    },
    measuredBoot: {
      reportedAt: at.toISOString(),
      nonce: base64url(nonce),
      quoteMessage: base64url(message),
      quoteSignature: base64url(signature),
      pcrs: Object.fromEntries([...pcrs].map(([pcr, value]) => [String(pcr), toHex(value)])),
      eventLog: base64url(log),
    },
    osDisk: { encryption: 'LUKS2' },
    measurements: images.jws,
  }
  return { evidence, jwks, anchors: { ...silicon.anchors, images: [images.key] }, ca: toPem([ca]), at }
}

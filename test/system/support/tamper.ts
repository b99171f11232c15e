import { generateKeyPairSync, sign } from 'node:crypto'
import type { BootEvidence } from '@strongroom/contract'

export interface Tampering {
  what: string
  /** The link that must find it. */
  link: string
  change: (evidence: BootEvidence) => void
}

/** Changes one byte of base64url text: in the middle, or at the given place. */
function flip(text: string, at = 0.5): string {
  const bytes = Buffer.from(text, 'base64url')
  const index = Math.floor((bytes.length - 1) * at)
  bytes[index] = bytes[index]! ^ 1
  return bytes.toString('base64url')
}

function editLog(e: BootEvidence, change: (log: string) => string): void {
  const log = Buffer.from(e.measuredBoot!.userspaceLog!, 'base64url').toString()
  e.measuredBoot!.userspaceLog = Buffer.from(change(log)).toString('base64url')
}

const flipHex = (text: string): string => (text.startsWith('0') ? `1${text.slice(1)}` : `0${text.slice(1)}`)

function flipPart(jws: string, part: number): string {
  const parts = jws.split('.')
  parts[part] = flip(parts[part]!)
  return parts.join('.')
}

/** A token that an attacker made, with a matching key set: the stored key set proves nothing. */
function forgeToken(evidence: BootEvidence): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [header = '', claims = ''] = evidence.attestation.token.split('.')
  const signature = sign('sha256', Buffer.from(`${header}.${claims}`), privateKey).toString('base64url')
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }
  evidence.attestation.token = `${header}.${claims}.${signature}`
  evidence.attestation.jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' }] }
}

/** One change each to stored boot evidence of an SNP VM, and the link of the trust report that must refuse it. */
export const tamperings: Tampering[] = [
  {
    what: 'a byte of the report',
    link: 'silicon',
    change: (e) => void (e.silicon.kind === 'SNP' && (e.silicon.report = flip(e.silicon.report, 0.1))),
  },
  {
    what: 'a byte of the CRL',
    link: 'silicon',
    change: (e) => void (e.silicon.kind === 'SNP' && (e.silicon.crl = flip(e.silicon.crl))),
  },
  { what: 'a byte of the claims', link: 'claims', change: (e) => void (e.runtimeClaims = flip(e.runtimeClaims)) },
  {
    what: "a byte of the token's claims",
    link: 'token',
    change: (e) => void (e.attestation.token = flipPart(e.attestation.token, 1)),
  },
  {
    what: "a byte of the token's signature",
    link: 'token',
    change: (e) => void (e.attestation.token = flipPart(e.attestation.token, 2)),
  },
  { what: 'a token signed by another key, the stored key set changed with it', link: 'token', change: forgeToken },
  { what: 'another issuer', link: 'token', change: (e) => void (e.attestation.issuer = 'https://elsewhere.example') },
  {
    what: 'a byte of the release answer',
    link: 'release',
    change: (e) => void (e.release.jws = flipPart(e.release.jws, 1)),
  },
  { what: 'another key', link: 'release', change: (e) => void (e.release.keyId += '0') },
  { what: 'an older generation', link: 'guest-state', change: (e) => void (e.guestState.generation = -1) },
  { what: 'a stored data key', link: 'guest-state', change: (e) => void (e.guestState.freshDataKey = false) },
  {
    what: "a byte of the vTPM's report",
    link: 'vtpm',
    change: (e) => void (e.vtpm.hclReport = flip(e.vtpm.hclReport, 0.1)),
  },
  { what: 'a byte of the AK', link: 'vtpm', change: (e) => void (e.vtpm.akPublic = flip(e.vtpm.akPublic, 0.9)) },
  {
    what: 'a byte of the quote',
    link: 'measured-boot',
    change: (e) => void (e.measuredBoot!.quoteMessage = flip(e.measuredBoot!.quoteMessage)),
  },
  {
    what: 'another nonce',
    link: 'measured-boot',
    change: (e) => void (e.measuredBoot!.nonce = flip(e.measuredBoot!.nonce)),
  },
  {
    what: 'another PCR 0',
    link: 'measured-boot',
    change: (e) => void (e.measuredBoot!.pcrs['0'] = flipHex(e.measuredBoot!.pcrs['0']!)),
  },
  {
    what: 'other measurements of its image',
    link: 'image',
    change: (e) => void (e.measurements = flipPart(e.measurements!, 1)),
  },
  {
    what: 'a token in place of its image’s measurements',
    link: 'image',
    change: (e) => void (e.measurements = e.attestation.token),
  },
  {
    what: 'an OS disk that is said to need no encryption',
    link: 'disk',
    change: (e) => void (e.osDisk = { encryption: 'none' }),
  },
  {
    what: 'another volume pinned',
    link: 'disk',
    change: (e) => void (e.expected.volume = flipHex(e.expected.volume!)),
  },
  { what: 'no pinned volume', link: 'disk', change: (e) => void delete e.expected.volume },
  {
    what: 'another cipher in the log of user space',
    link: 'disk',
    change: (e) => editLog(e, (log) => log.replace('aes-xts-plain64', 'cipher_null-ecb')),
  },
  {
    what: 'other accounts and keys than the guest settled',
    link: 'settings',
    change: (e) => void (e.settled = flip(e.settled!)),
  },
  {
    what: 'no volume in the log of user space',
    link: 'disk',
    change: (e) =>
      editLog(e, (log) =>
        log
          .split('\u001e')
          .filter((each) => !each.includes('strongroom-volume'))
          .join('\u001e'),
      ),
  },
]

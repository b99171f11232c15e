import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomically } from '@strongroom/platform/files'

/** Where systems have the authorities that programs trust: Debian, Fedora, SUSE, Alpine. */
const systemBundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]
/** Where programs look. All except Node’s trust nothing else once one of these is set. */
const variables = ['REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE', 'CURL_CA_BUNDLE', 'NODE_EXTRA_CA_CERTS'] as const

/**
 * Writes what the shell's programs are to trust: the system's authorities, whatever the shell named before, and the
 * installation's. With that one alone, pip, npm and `az extension add` could reach nothing else.
 * @param o.directory the user's own
 * @param o.own file of the installation's authority
 * @returns the file's path
 */
export async function writeCaBundle(o: {
  directory: string
  own: string
  environment: NodeJS.ProcessEnv
}): Promise<string> {
  const path = join(o.directory, 'ca-bundle.pem')
  const named = variables.flatMap((name) => o.environment[name] ?? [])
  const read = async (file: string): Promise<string> => await readFile(file, 'utf8').catch(() => '')
  const system = await firstOf(systemBundles, read)
  // Once evaluated, the shell names this file, which has what it named before.
  const texts = [system, ...(await Promise.all([...new Set(named)].map(read))), await readFile(o.own, 'utf8')]
  await writeFileAtomically(path, certificatesOf(texts.join('\n')).join(''))
  return path
}

async function firstOf(paths: readonly string[], read: (path: string) => Promise<string>): Promise<string> {
  for (const path of paths) {
    const text = await read(path)
    if (text !== '') return text
  }
  return ''
}

/** Each once, without the comments between them. */
function certificatesOf(text: string): string[] {
  const found = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return [...new Set(found.map((each) => `${each.replaceAll('\r', '')}\n`))]
}

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { writeCaBundle } from './ca-bundle.ts'

const certificate = (text: string): string => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----\n`

let directory: string
const file = (name: string): string => join(directory, name)
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-ca-bundle-'))
  await writeFile(file('own'), certificate('T1dO'))
  await writeFile(file('company'), `# The company's\r\n${certificate('Q09NUEFOWQ==').replaceAll('\n', '\r\n')}`)
})
afterAll(async () => await rm(directory, { recursive: true, force: true }))

const count = (text: string): number => text.match(/BEGIN/g)?.length ?? 0

it('the shell’s programs trust the system’s authorities, those it named before, and the installation’s, each once', async () => {
  const system = count(await readFile('/etc/ssl/certs/ca-certificates.crt', 'utf8'))
  expect(system).toBeGreaterThan(50)
  const before = { REQUESTS_CA_BUNDLE: file('company'), SSL_CERT_FILE: file('company'), CURL_CA_BUNDLE: file('gone') }
  const path = await writeCaBundle({ directory, own: file('own'), environment: before })
  const text = await readFile(path, 'utf8')
  expect(count(text)).toBe(system + 2)
  for (const each of ['T1dO', 'Q09NUEFOWQ==']) expect(text).toContain(certificate(each))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  // A shell that evaluates it again loses nothing.
  const again = { REQUESTS_CA_BUNDLE: path, SSL_CERT_FILE: path, CURL_CA_BUNDLE: path }
  expect(await writeCaBundle({ directory, own: file('own'), environment: again })).toBe(path)
  expect(await readFile(path, 'utf8').then((now) => now.split('\n').toSorted())).toEqual(text.split('\n').toSorted())
})

it('is nothing where the installation’s authority cannot be read', async () => {
  await expect(writeCaBundle({ directory, own: file('none'), environment: {} })).rejects.toThrow('ENOENT')
})

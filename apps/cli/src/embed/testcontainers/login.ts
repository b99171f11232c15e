import type { StartedTestContainer } from 'testcontainers'
import type { ServerRecord } from '../../core/connection.ts'

/** How to reach and sign in to a cloud in a container. */
export interface ContainerLogin {
  record: ServerRecord
  /** PEM of the certificate authority. */
  ca: string
  clientId: string
  /** Key and certificate that sign in as the owner, PEM. */
  pem: string
}

const node = '/usr/lib/strongroom/bin/node'
/** The image has no program that prints a file. */
const printFiles = `
const { readFileSync } = require('node:fs')
const [state, directory] = process.argv.slice(1)
const read = (path) => readFileSync(path, 'utf8')
const [record, ca] = ['/server.json', '/ca.pem'].map((name) => read(state + name))
const [clientId, pem] = ['/login.client-id', '/login.pem'].map((name) => read(directory + name))
process.stdout.write(JSON.stringify({ record: JSON.parse(record), ca, clientId, pem }))`

/**
 * Makes the container create a key that signs in as the owner, and fetches it through the engine's socket: it is in no
 * variable, command line or log. In the container it is only in memory (/tmp).
 */
export async function loginOf(container: StartedTestContainer): Promise<ContainerLogin> {
  const settings = JSON.parse(await said(container, ['/usr/bin/strongroom', 'env', '--login', '--output', 'json'])) as {
    AZURE_CONFIG_DIR: string
  }
  const files = [node, '-e', printFiles, '/var/lib/strongroom', settings.AZURE_CONFIG_DIR]
  return JSON.parse(await said(container, files)) as ContainerLogin
}

async function said(container: StartedTestContainer, command: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await container.exec(command)
  if (exitCode !== 0) throw new Error(`${command[0]} in the container ended with ${exitCode}: ${stderr.slice(0, 500)}`)
  return stdout
}

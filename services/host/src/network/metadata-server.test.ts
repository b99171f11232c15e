import { request } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InstanceSpec } from '@strongroom/contract'
import { createLogger, ServiceError } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exampleSpec } from '../testing.ts'
import { startMetadataServer, type MetadataServer } from './metadata-server.ts'

let directory: string
let server: MetadataServer
const spec: InstanceSpec = {
  ...exampleSpec,
  osProfile: {
    ...exampleSpec.osProfile,
    sshPublicKeys: ['ssh-ed25519 AAAA one\nadminUsername cm9vdA==', 'ssh-rsa BBBB two'],
  },
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'metadata-'))
  server = await startMetadataServer({
    socket: join(directory, 'socket'),
    spec,
    subscriptionId: 'subscription',
    caPem: 'PEM\n',
    nonce: Buffer.from('nonce'),
    logger: createLogger({ level: 'silent' }),
    onReady: async () => {
      throw new ServiceError({ code: 'BootReportRefused', status: 403, message: 'no' })
    },
  })
})

afterEach(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

function send(o: {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string
}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: join(directory, 'socket'),
        method: o.method ?? 'GET',
        path: o.path,
        headers: { metadata: 'true', ...o.headers },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
      },
    )
    sent.on('error', reject)
    sent.end(o.body)
  })
}

describe('metadata endpoint', () => {
  it('answers what Azure’s answers, with flags as texts', async () => {
    const { status, text } = await send({ path: '/metadata/instance?api-version=2021-02-01' })
    expect(status).toBe(200)
    const { compute } = JSON.parse(text) as { compute: { securityProfile: unknown; vmId: string } }
    expect(compute.securityProfile).toEqual({
      encryptionAtHost: 'false',
      secureBootEnabled: 'true',
      securityType: 'ConfidentialVM',
      virtualTpmEnabled: 'true',
    })
    expect(compute.vmId).toBe(spec.vmId.toLowerCase())
  })

  it('refuses requests without the header, and those that a proxy handed on', async () => {
    expect((await send({ path: '/metadata/strongroom/provisioning', headers: { metadata: 'false' } })).status).toBe(400)
    expect(
      (await send({ path: '/metadata/strongroom/provisioning', headers: { 'x-forwarded-for': '10.0.0.1' } })).status,
    ).toBe(400)
    expect((await send({ path: '/metadata/instance' })).status).toBe(400)
  })

  it('tells the agent one line per value, so that a value can add no line', async () => {
    const { text } = await send({ path: '/metadata/strongroom/provisioning' })
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '))
    expect(lines.map(([key]) => key)).toEqual([
      'hostname',
      'adminUsername',
      'sshPublicKey',
      'sshPublicKey',
      'vmId',
      'caPem',
      'proxy',
      'nonce',
    ])
    expect(lines.every((line) => line.length === 2)).toBe(true)
    expect(Buffer.from(lines.at(-1)![1]!, 'base64').toString()).toBe('nonce')
  })

  it('hands a refusal to the guest, and takes no report of another form', async () => {
    const report = { nonce: 'AAAA', quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, eventLog: 'AAAA' }
    const post = (body: unknown): Promise<{ status: number; text: string }> =>
      send({
        method: 'POST',
        path: '/metadata/strongroom/ready',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await post(report)).status).toBe(403)
    expect((await post({})).status).toBe(400)
  })
})

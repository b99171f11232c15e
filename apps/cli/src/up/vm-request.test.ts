import { describe, expect, it } from 'vitest'
import type { Connection } from '../core/connection.ts'
import { ArmClient } from '../client/arm.ts'
import { sendNewVm, vmBody, type VmRequest } from './vm-request.ts'

const request: VmRequest = {
  name: 'first',
  group: 'g',
  size: 'Standard_DC2as_v5',
  encryption: 'DiskWithVMGuestState',
  secureBoot: true,
  image: 'Strongroom:debian-13:cvm:latest',
  adminUsername: 'azureuser',
  sshPublicKeys: [],
}

/** A resource manager in which somebody creates the VM after this client looked for it. */
function rivalled(): { arm: ArmClient; writes: string[] } {
  const writes: string[] = []
  let rival = false
  const answer = (status: number, json: unknown): object => ({
    status,
    headers: {},
    text: '',
    bytes: new Uint8Array(),
    json,
  })
  const https = {
    request: async (o: { method: string; url: string; headers?: Record<string, string> }) => {
      const { pathname } = new URL(o.url)
      const name = pathname.split('/').at(-1)!
      if (o.method !== 'GET') writes.push(`${o.method} ${name} ${o.headers?.['if-none-match'] ?? 'over'}`)
      const isVm = pathname.includes('/virtualMachines/')
      if (o.method === 'PUT' && isVm) rival = true
      if (o.method === 'PUT' && (isVm || name === 'g'))
        return answer(412, { error: { code: 'PreconditionFailed', message: 'No.' } })
      if (o.method === 'GET' && isVm && !rival)
        return answer(404, { error: { code: 'ResourceNotFound', message: 'No.' } })
      const vm = { properties: { provisioningState: 'Creating', hardwareProfile: { vmSize: 'Standard_DC4as_v5' } } }
      return answer(200, isVm ? vm : { value: [] })
    },
  }
  const server = { subscriptionId: 's', region: 'westeurope' }
  const connection = { server, https, ownerToken: async () => 'token' } as unknown as Connection
  return { arm: new ArmClient(connection), writes }
}

describe('a request for a new VM', () => {
  it('writes over nothing: a VM that got the name after the check is refused and stays', async () => {
    const { arm, writes } = rivalled()
    await expect(sendNewVm(arm, request, async () => vmBody(arm, request))).rejects.toMatchObject({
      code: 'VmExists',
      detail: { innererror: { found: 'Standard_DC4as_v5, Creating' } },
    })
    expect(writes).toEqual(['g', 'firstNSG', 'gVNET', 'firstPublicIP', 'firstVMNic', 'first'].map((n) => `PUT ${n} *`))
  })
})

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CommandRequest, CommandStatus } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { openSqlitePlane } from '../../../../testing/sqlite-plane.ts'
import {
  makeNetwork,
  rulesOf,
  subscriptionId,
  vmPath,
  vmRequest,
  type Loose,
  type TestPlane,
} from '../../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
const vm = vmPath('vm1')
const plain = vmPath('plain')
const signed = 'id\n# strongroom-signature: U1NIU0lH'

beforeAll(async () => {
  plane = await openSqlitePlane()
  for (const name of ['vm1', 'plain']) await makeNetwork(plane, name)
  await plane.run('PUT', vm, vmRequest('vm1'))
  const body = vmRequest('plain')
  body.properties.hardwareProfile.vmSize = 'Standard_D2as_v5'
  body.properties.securityProfile = null
  body.properties.storageProfile.osDisk.managedDisk.securityProfile = null
  await plane.run('PUT', plain, body)
})
afterAll(async () => await plane.close())

const shell = (script: string, parameters?: object[]): Loose => ({
  commandId: 'RunShellScript',
  script: script.split('\n'),
  ...(parameters && { parameters }),
})
const sent = (): CommandRequest => [...plane.wire.commands.values()].at(-1)!.request
const answer = (status: Partial<CommandStatus>): void => {
  const entry = [...plane.wire.commands.values()].at(-1)!
  entry.status = { ...entry.status, ...status }
}
const follow = async (reply: { headers: Record<string, string> }): Promise<Loose> => {
  const url = new URL(reply.headers['location']!)
  return await plane.send('GET', url.pathname + url.search)
}

describe('run-command', () => {
  it('refuses a script for a confidential VM that nobody signed, citing S25, and puts that on record', async () => {
    const reply = await plane.send('POST', `${vm}/runCommand`, shell('id'))
    expect([reply.status, reply.body.error.code, rulesOf(reply.body)]).toEqual([403, 'RunCommandNotSigned', ['S25']])
    expect(plane.wire.commands.size).toBe(0)
    const log = await plane.send(
      'GET',
      `/subscriptions/${subscriptionId}/providers/Microsoft.Insights/eventtypes/management/values`,
    )
    expect(JSON.stringify(log.body)).toContain('virtualMachines/runCommand/action')
  })

  it('hands a signed script to the guest as it is, and answers when the guest has', async () => {
    const reply = await plane.send('POST', `${vm}/runCommand`, shell(signed))
    expect(reply.status).toBe(202)
    expect(sent().script).toBe(signed)
    const waiting = await follow(reply)
    expect([waiting.status, waiting.headers['location']]).toEqual([202, reply.headers['location']])
    answer({ state: 'Done', exitCode: 0, stdout: 'uid=0\n', stderr: '' })
    const done = await follow(reply)
    expect(done.body.value[0]).toMatchObject({
      code: 'ProvisioningState/succeeded',
      message: 'Enable succeeded: \n[stdout]\nuid=0\n\n[stderr]\n',
    })
  })

  it('tells why the guest did not run a script', async () => {
    const reply = await plane.send('POST', `${vm}/runCommand`, shell(signed))
    answer({ state: 'Refused', refused: 'it was run before' })
    const refused = await follow(reply)
    expect([refused.status, refused.body.error.code]).toEqual([403, 'RunCommandRefusedByGuest'])
    expect(refused.body.error.message).toContain('it was run before')
  })

  it('has no result to show where the guest ended before it had one, and does not say that it was refused', async () => {
    const unknown = async (reply: { headers: Record<string, string> }): Promise<void> => {
      const shown = await follow(reply)
      expect([shown.status, shown.body.error.code]).toEqual([409, 'RunCommandResultUnknown'])
      expect(shown.body.error.message).toContain('It does not run again')
    }
    const reply = await plane.send('POST', `${vm}/runCommand`, shell(signed))
    answer({ state: 'Unknown' })
    await unknown(reply)
    // The VM has booted again, here or on another host: its host does not know the command.
    plane.wire.commands.delete(sent().id)
    await unknown(reply)
    const other = { headers: { location: reply.headers['location']!.replace('vm1', 'plain') } }
    expect((await follow(other)).body.error.code).toBe('RunCommandNotFound')
  })

  it('is on record before the host has it, and a host that does not answer leaves no error that clients repeat', async () => {
    const before = plane.wire.commands.size
    plane.wire.afterEffect = async (call) => {
      if (!/^POST .*commands$/.test(call)) return
      throw new ServiceError({ code: 'PeerUnreachable', message: 'The peer does not answer.' })
    }
    const reply = await plane.send('POST', `${plain}/runCommand`, shell('id'))
    plane.wire.afterEffect = undefined
    expect([reply.status, reply.body.error.code]).toEqual([409, 'RunCommandResultUnknown'])
    expect(plane.wire.commands.size).toBe(before + 1)
    const { id } = sent()
    plane.wire.commands.delete(id)
    const shown = await plane.send('GET', `${plain}/runCommandResults/${id}`)
    expect([shown.status, shown.body.error.code]).toEqual([409, 'RunCommandResultUnknown'])
  })

  it('is not handed to a VM that does not run', async () => {
    const before = plane.wire.commands.size
    await plane.run('POST', `${plain}/powerOff`)
    const reply = await plane.send('POST', `${plain}/runCommand`, shell('id'))
    await plane.run('POST', `${plain}/start`)
    expect([reply.status, reply.body.error.code]).toEqual([409, 'VmNotReady'])
    expect(plane.wire.commands.size).toBe(before)
  })

  it('takes no parameters beside a signature, which does not cover them', async () => {
    const reply = await plane.send('POST', `${vm}/runCommand`, shell(signed, [{ name: 'PATH', value: '/evil' }]))
    expect([reply.status, reply.body.error.target]).toEqual([400, 'parameters'])
  })

  it('hands an ordinary VM unsigned scripts with their parameters', async () => {
    const reply = await plane.send('POST', `${plain}/runCommand`, shell('echo $X', [{ name: 'X', value: 'y' }]))
    expect(reply.status).toBe(202)
    expect(sent()).toMatchObject({ script: 'echo $X', parameters: [{ name: 'X', value: 'y' }] })
  })

  it.each([
    ['another command', { commandId: 'RunPowerShellScript', script: ['dir'] }, 'commandId'],
    ['no script', { commandId: 'RunShellScript' }, 'script'],
    ['a parameter that is not a variable', shell('id', [{ name: 'a b', value: '' }]), 'parameters[0]'],
  ])('refuses %s', async (_what, body, target) => {
    const reply = await plane.send('POST', `${plain}/runCommand`, body)
    expect([reply.status, reply.body.error.target]).toEqual([400, target])
  })

  it('needs its own right: a reader may not run anything', async () => {
    const reply = await plane.send('POST', `${vm}/runCommand`, shell(signed), {
      as: '0f2a9f3e-0000-4000-8000-00000000dddd',
    })
    expect(reply.status).toBe(403)
  })
})

describe('a managed run command', () => {
  const path = `${plain}/runCommands/first`
  const body = { location: 'westeurope', properties: { source: { script: 'id' }, timeoutInSeconds: '60' } }

  it('is creating until the guest has answered, then shows what came of it', async () => {
    const made = await plane.send('PUT', path, body)
    expect([made.status, made.body.properties.provisioningState]).toEqual([201, 'Creating'])
    expect(sent().timeoutSeconds).toBe(60)
    answer({ state: 'Done', exitCode: 3, stdout: '', stderr: 'no' })
    const shown = await plane.send('GET', `${path}?$expand=instanceView`)
    expect(shown.body.properties).toMatchObject({
      provisioningState: 'Succeeded',
      instanceView: { executionState: 'Failed', exitCode: 3, error: 'no' },
    })
    const list = await plane.send('GET', `${plain}/runCommands`)
    expect(list.body.value.map(({ name }: { name: string }) => name)).toEqual(['first'])
  })

  it('runs once, however often the same request comes, and again when its script changes', async () => {
    const before = plane.wire.commands.size
    const again = await plane.send('PUT', path, { ...body, tags: { team: 'blue' } })
    expect([again.status, again.body.tags, plane.wire.commands.size]).toEqual([200, { team: 'blue' }, before])
    const changed = await plane.send('PUT', path, { ...body, properties: { source: { script: 'id -u' } } })
    expect([changed.status, plane.wire.commands.size]).toEqual([200, before + 1])
  })

  it('runs once where two requests come at once, both after the guest refused it', async () => {
    const twice = `${plain}/runCommands/twice`
    await plane.send('PUT', twice, body)
    answer({ state: 'Refused', refused: 'not now' })
    const before = plane.wire.commands.size
    let other: Loose
    plane.wire.afterEffect = async (call) => {
      if (!/^GET .*commands/.test(call)) return
      plane.wire.afterEffect = undefined
      other = await plane.send('PUT', twice, body)
    }
    const reply = await plane.send('PUT', twice, body)
    expect([other.status, reply.status, reply.body.error.code]).toEqual([200, 409, 'Conflict'])
    expect(plane.wire.commands.size).toBe(before + 1)
  })

  it('is unknown and failed once its boot has ended without a result, and as it ended if that was seen', async () => {
    const seen = `${plain}/runCommands/seen`
    const lost = `${plain}/runCommands/lost`
    const shown = async (of: string): Promise<Loose> => (await plane.send('GET', `${of}?$expand=instanceView`)).body
    await plane.send('PUT', seen, body)
    answer({ state: 'Done', exitCode: 0, stdout: 'secret', stderr: '' })
    await shown(seen)
    await plane.send('PUT', lost, body)
    const size = plane.wire.commands.size
    plane.wire.commands.clear()
    expect((await shown(seen)).properties).toMatchObject({
      provisioningState: 'Succeeded',
      instanceView: { executionState: 'Succeeded', output: '' },
    })
    expect((await shown(lost)).properties).toMatchObject({
      provisioningState: 'Failed',
      instanceView: { executionState: 'Unknown', executionMessage: expect.stringContaining('does not run again') },
    })
    // Not even when its request is repeated.
    await plane.send('PUT', lost, body)
    expect([size > 0, plane.wire.commands.size]).toEqual([true, 0])
  })

  it('leaves nothing behind where the host refused it', async () => {
    await plane.run('POST', `${plain}/powerOff`)
    const reply = await plane.send('PUT', `${plain}/runCommands/off`, body)
    await plane.run('POST', `${plain}/start`)
    expect([reply.status, reply.body.error.code]).toEqual([409, 'VmNotReady'])
    expect((await plane.send('GET', `${plain}/runCommands/off`)).status).toBe(404)
  })

  it('has the limit that its script was signed with, and no other', async () => {
    const limited = `# strongroom-limit: 120\n${signed}`
    const put = async (timeoutInSeconds?: string): Promise<Loose> =>
      await plane.send('PUT', `${vm}/runCommands/limited`, {
        location: 'westeurope',
        properties: { source: { script: limited }, ...(timeoutInSeconds !== undefined && { timeoutInSeconds }) },
      })
    const refused = await put('60')
    expect([refused.status, refused.body.error.target]).toEqual([400, 'properties.timeoutInSeconds'])
    expect((await put()).body.properties.timeoutInSeconds).toBe(120)
    expect(sent().timeoutSeconds).toBe(120)
    expect((await put('120')).status).toBe(200)
  })

  it('refuses what would pass through the host in clear', async () => {
    const properties = { ...body.properties, runAsPassword: 'secret', protectedParameters: [{ name: 'A', value: 'b' }] }
    const reply = await plane.send('PUT', path, { ...body, properties })
    expect([reply.status, reply.body.error.code]).toEqual([400, 'NotSupported'])
    expect(JSON.stringify(reply.body)).not.toContain('secret')
  })

  it('goes with its VM', async () => {
    await plane.run('DELETE', plain)
    expect((await plane.send('GET', path)).status).toBe(404)
  })
})

describe('ways into a VM', () => {
  it.each([
    ['POST', 'captureMemoryDump', 'MemoryDumpRefused', 'S9'],
    ['POST', 'providers/Microsoft.SerialConsole/serialPorts/0/connect', 'SerialConsoleRefused', 'S25'],
    ['PUT', 'extensions/any', 'VMExtensionsRefused', 'S25'],
    ['POST', 'assessPatches', 'GuestAgentRefused', 'S25'],
    ['POST', 'installPatches', 'GuestAgentRefused', 'S25'],
  ] as const)('%s %s is refused, and the answer that it links to is there', async (method, path, code, rule) => {
    const reply = await plane.send(method, `${vm}/${path}`, {})
    expect([reply.status, reply.body.error.code, rulesOf(reply.body)]).toEqual([403, code, [rule]])
    const link = new URL(/https:\S+/.exec(reply.body.error.details[0].message)![0])
    const { app } = plane.service.hosts[0]!
    const page = await app.inject({ method: 'GET', url: link.pathname, headers: { host: link.host } })
    expect([page.statusCode, page.body.includes(`id="${link.hash.slice(1)}"`)]).toEqual([200, true])
  })
})

describe('VM extensions', () => {
  const market = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/publishers`

  it('are none: one is not found, as on Azure, its deletion is done, and a list is empty', async () => {
    const missing = await plane.send('GET', `${vm}/extensions/CustomScript`)
    expect([missing.status, missing.body.error.code]).toEqual([404, 'ResourceNotFound'])
    expect(missing.body.error.message).toMatch(/^The Resource '.*virtualMachines.*\/extensions\/?.*CustomScript'/)
    expect((await plane.send('DELETE', `${vm}/extensions/CustomScript`)).status).toBe(204)
    expect((await plane.send('GET', `${vm}/extensions`)).body).toEqual({ value: [] })
    for (const path of ['extensions', 'extensions/a'])
      for (const method of ['GET', 'DELETE'].slice(0, path === 'extensions' ? 1 : 2)) {
        const other = await plane.send(method, `${vm}-none/${path}`)
        expect([path, method, other.status, other.body.error.code]).toEqual([path, method, 404, 'ResourceNotFound'])
      }
  })

  it.each(['types', 'types/CustomScript/versions', 'types/CustomScript/versions/2.1'])(
    'are refused where a client looks for their %s, at a publisher that it finds',
    async (path) => {
      const publishers = (await plane.send('GET', market)).body.map(({ name }: Loose) => name)
      expect(publishers).toContain('Microsoft.Azure.Extensions')
      for (const publisher of publishers) {
        const reply = await plane.send('GET', `${market}/${publisher}/artifacttypes/vmextension/${path}`)
        expect([reply.status, reply.body.error.code, rulesOf(reply.body)]).toEqual([
          403,
          'VMExtensionsRefused',
          ['S25'],
        ])
      }
      const offers = await plane.send('GET', `${market}/Microsoft.Azure.Extensions/artifacttypes/vmimage/offers`)
      expect(offers.body).toEqual([])
    },
  )
})

describe('boot diagnostics', () => {
  it('are fetched by an address that is good for a while, once they are enabled, and by no other', async () => {
    const ask = async (): Promise<Loose> => await plane.send('POST', `${vm}/retrieveBootDiagnosticsData`)
    expect((await ask()).body.error.code).toBe('BootDiagnosticsNotEnabled')
    const diagnosticsProfile = { bootDiagnostics: { enabled: true, storageUri: null } }
    expect((await plane.send('PATCH', vm, { properties: { diagnosticsProfile } })).status).toBe(200)
    expect((await plane.send('GET', vm)).body.properties.diagnosticsProfile).toEqual({
      bootDiagnostics: { enabled: true },
    })
    const { body } = await ask()
    expect(body.consoleScreenshotBlobUri).toBeNull()
    const url = new URL(body.serialConsoleLogBlobUri)
    const { app } = plane.service.hosts[0]!
    const get = async (path: string): Promise<{ status: number; text: string }> => {
      const reply = await app.inject({ method: 'GET', url: path, headers: { host: url.host } })
      return { status: reply.statusCode, text: reply.body }
    }
    expect(await get(url.pathname + url.search)).toEqual({ status: 200, text: 'console of the guest\n' })
    const later = url.search.replace(/se=\d{4}/, 'se=2099')
    expect((await get(url.pathname + later)).status).toBe(403)
    expect((await get(url.pathname)).status).toBe(403)
    expect((await get(url.pathname.replace(/[0-9a-f]{8}-/, '00000000-') + url.search)).status).toBe(403)
  })

  it('are not put into a storage account', async () => {
    const diagnosticsProfile = { bootDiagnostics: { enabled: true, storageUri: 'https://a.blob.core.windows.net/' } }
    const reply = await plane.send('PATCH', vm, { properties: { diagnosticsProfile } })
    expect([reply.status, reply.body.error.code]).toEqual([400, 'NotSupported'])
  })
})

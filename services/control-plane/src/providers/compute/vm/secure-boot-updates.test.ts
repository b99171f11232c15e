import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openSqlitePlane } from '../../../testing/sqlite-plane.ts'
import { makeNetwork, vmPath, vmRequest, type Loose, type TestPlane } from '../../../testing/test-plane.ts'

let plane: TestPlane & { close(): Promise<void> }
beforeAll(async () => {
  plane = await openSqlitePlane()
  await makeNetwork(plane, 'updated')
  await plane.run('PUT', vmPath('updated'), vmRequest('updated'))
})
afterAll(async () => await plane.close())

const path = `${vmPath('updated')}/updateSecureBootVariables`
const specOf = (name: string): Loose => [...plane.wire.instances.values()].find((each) => each.spec.name === name)!.spec
const updateOf = (variable: string, text: string): Loose => ({ variable, update: Buffer.from(text).toString('base64') })

describe('signed updates of a VM’s Secure Boot variables', () => {
  it('reach the host of a running VM at once, in their order, each once', async () => {
    const [dbx, db] = [updateOf('dbx', 'one'), updateOf('db', 'two')]
    expect(await plane.send('POST', path, { updates: [dbx] })).toMatchObject({ status: 200, body: { updates: 1 } })
    expect(specOf('updated').secureBootUpdates).toEqual([dbx])
    await plane.send('POST', path, { updates: [db] })
    expect(await plane.send('POST', path, { updates: [dbx] })).toMatchObject({ status: 200, body: { updates: 2 } })
    expect(specOf('updated').secureBootUpdates).toEqual([db, dbx])
  })

  it('are told of to the host that starts the VM later, the newest sixteen', async () => {
    for (let number = 0; number < 17; number++)
      await plane.send('POST', path, { updates: [updateOf('dbx', `update ${number}`)] })
    await plane.run('POST', `${vmPath('updated')}/deallocate`)
    await plane.run('POST', `${vmPath('updated')}/start`)
    const all = specOf('updated').secureBootUpdates as Loose[]
    expect([all.length, all.at(-1)]).toEqual([16, updateOf('dbx', 'update 16')])
  })

  it.each([
    ['no updates', {}, 200],
    ['another variable', { updates: [updateOf('MokList', 'one')] }, 400],
    ['something that is not base64', { updates: [{ variable: 'dbx', update: 'ä' }] }, 400],
    ['more than a boot takes', { updates: Array.from({ length: 17 }, () => updateOf('dbx', 'one')) }, 400],
  ])('with %s are answered with %i', async (_what, body, status) => {
    expect((await plane.send('POST', path, body)).status).toBe(status)
  })

  it('are taken by VMs with Secure Boot and an encrypted disk alone', async () => {
    await makeNetwork(plane, 'plain')
    const body = vmRequest('plain')
    body.properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType = 'VMGuestStateOnly'
    await plane.run('PUT', vmPath('plain'), body)
    const answer = await plane.send('POST', `${vmPath('plain')}/updateSecureBootVariables`, {
      updates: [updateOf('dbx', 'one')],
    })
    expect([answer.status, answer.body.error.code]).toEqual([409, 'OperationNotAllowed'])
  })
})

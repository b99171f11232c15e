import type { BeatAnswer, VmPlacement } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { TestFleet } from './testing/test-fleet.ts'

let fleet: TestFleet
let installation: TestInstallation
let vm: string
beforeAll(async () => {
  fleet = await TestFleet.start()
  installation = fleet.installation
})
afterAll(async () => await fleet.close())

const hostOf = async (): Promise<string | undefined> =>
  (await installation.arm<VmPlacement>('POST', `${vm}/retrievePlacement`)).host
const maintenance = async (): Promise<Record<string, unknown> | undefined> =>
  (await installation.arm<Record<string, Record<string, unknown>>>('GET', `${vm}/instanceView`))[
    'maintenanceRedeployStatus'
  ]
const profile = (redeployNotificationProfile: object): object => ({
  properties: { scheduledEventsProfile: { redeployNotificationProfile } },
})
const properties = async (): Promise<Record<string, unknown>> =>
  (await installation.arm<{ properties: Record<string, unknown> }>('GET', vm)).properties

describe('how long before a move the owner of a VM wants to know', () => {
  it('is kept with the VM, shown, and changed while it runs', async () => {
    await fleet.join('a')
    vm = await makeVm(installation, { name: 'web', size: 'Standard_DC4as_v5' })
    await fleet.join('b')
    expect(await properties()).not.toHaveProperty('scheduledEventsProfile')
    await installation.arm('PATCH', vm, profile({ enable: true, notBeforeTimeout: 'PT1H30M' }))
    const kept = { redeployNotificationProfile: { enable: true, notBeforeTimeout: 'PT90M' } }
    expect((await properties())['scheduledEventsProfile']).toEqual(kept)
    // Another change leaves it.
    await installation.arm('PATCH', vm, { tags: { a: 'b' } })
    expect((await properties())['scheduledEventsProfile']).toEqual(kept)
    await installation.arm('PATCH', vm, profile({ enable: false }))
    expect(await properties()).not.toHaveProperty('scheduledEventsProfile')
  })

  it.each([
    [{ enable: true }, 'InvalidParameter'],
    [{ enable: true, notBeforeTimeout: 'PT0M' }, 'InvalidParameter'],
    [{ enable: true, notBeforeTimeout: 'PT25H' }, 'InvalidParameter'],
    [{ enable: true, notBeforeTimeout: 'P1D' }, 'InvalidParameter'],
    [{ enable: true, notBeforeTimeout: 'PT' }, 'InvalidParameter'],
    [{ enable: true, notBeforeTimeout: '30' }, 'InvalidParameter'],
  ])('is refused as %j', async (asked, code) => {
    await expect(installation.arm('PATCH', vm, profile(asked))).rejects.toMatchObject({ code })
  })

  it('is all that there is of scheduled events: Azure’s other profiles are not offered', async () => {
    const terminateNotificationProfile = { enable: true, notBeforeTimeout: 'PT5M' }
    const asked = { properties: { scheduledEventsProfile: { terminateNotificationProfile } } }
    await expect(installation.arm('PATCH', vm, asked)).rejects.toMatchObject({
      target: 'properties.scheduledEventsProfile.terminateNotificationProfile',
    })
  })
})

describe('a host that is drained with notice', () => {
  it('keeps a VM whose owner wants to know first; it is told, and so is its host', async () => {
    await installation.arm('PATCH', vm, profile({ enable: true, notBeforeTimeout: 'PT30M' }))
    expect(await maintenance()).toBeUndefined()
    const before = Date.now()
    await fleet.drain('a')
    await expect.poll(async () => (await maintenance())?.['isCustomerInitiatedMaintenanceAllowed']).toBe(true)
    const status = await maintenance()
    const until = status?.['maintenanceWindowStartTime'] as string
    expect(Date.parse(until) - before).toBeGreaterThan(29 * 60_000)
    expect(status).toMatchObject({ preMaintenanceWindowEndTime: until, lastOperationResultCode: 'None' })
    const [order] = ((await fleet.hosts.get('a')!.send('/beat', {})).body as BeatAnswer).carry ?? []
    expect(order).toMatchObject({
      wanted: 'Running',
      event: { type: 'Redeploy', status: 'Scheduled', notBefore: until },
    })
    expect((await fleet.shown('a')).carries).toMatchObject([
      { resourceId: vm, move: { status: 'Scheduled', notBefore: until, approved: false, waitsFor: 'notice' } },
    ])
    expect(await hostOf()).toBe('a')
  })

  it('plans nothing once it is resumed', async () => {
    await fleet.resume('a')
    await expect.poll(maintenance).toBeUndefined()
    const refused = { code: 'OperationNotAllowed', message: expect.stringContaining('performMaintenance') as string }
    await expect(installation.arm('POST', `${vm}/performMaintenance`)).rejects.toMatchObject(refused)
    expect(await hostOf()).toBe('a')
  })

  it('has it sooner where the operator orders less notice, though not sooner than its owner wants', async () => {
    const minutes = async (): Promise<number> => {
      const status = await maintenance()
      const [from, until] = ['preMaintenanceWindowStartTime', 'maintenanceWindowStartTime'].map((name) =>
        Date.parse(status?.[name] as string),
      )
      return ((until ?? NaN) - (from ?? NaN)) / 60_000
    }
    await fleet.drain('a', { noticeMinutes: 600 })
    await expect.poll(minutes).toBe(600)
    await fleet.drain('a', { noticeMinutes: 60 })
    expect(Math.floor((await minutes()) / 60)).toBe(1)
    await fleet.drain('a')
    expect(await minutes()).toBe(30)
    await fleet.resume('a')
    await expect.poll(maintenance).toBeUndefined()
  })

  it('moves it when its owner performs the maintenance', async () => {
    await fleet.drain('a', { noticeMinutes: 60 })
    await expect.poll(maintenance).toBeDefined()
    await installation.arm('POST', `${vm}/performMaintenance`)
    await expect.poll(hostOf).toBe('b')
    await expect.poll(maintenance).toBeUndefined()
    expect((await fleet.shown('a')).carries).toEqual([])
  })

  it('keeps it until the window of the maintenance configuration that it follows', async () => {
    const group = vm.split('/').slice(0, 5).join('/')
    const configuration = `${group}/providers/Microsoft.Maintenance/maintenanceConfigurations/later`
    const day = new Date(Date.now() + 3 * 24 * 3600_000).toISOString().slice(0, 10)
    const maintenanceWindow = { startDateTime: `${day} 03:00`, duration: '02:00', timeZone: 'UTC', recurEvery: 'Week' }
    const location = 'westeurope'
    await installation.arm('PUT', configuration, {
      location,
      properties: { maintenanceScope: 'Host', maintenanceWindow },
    })
    const assignment = `${vm}/providers/Microsoft.Maintenance/configurationAssignments/mine`
    await installation.arm('PUT', assignment, { location, properties: { maintenanceConfigurationId: configuration } })
    await fleet.resume('a')
    await fleet.drain('b')
    await expect.poll(async () => (await maintenance())?.['maintenanceWindowStartTime']).toBe(`${day}T03:00:00.000Z`)
    expect(await hostOf()).toBe('b')
    await fleet.resume('b')
    await expect.poll(maintenance).toBeUndefined()
    await installation.arm('DELETE', assignment)
  })

  it('takes a notice of a day at most, and nothing else', async () => {
    for (const body of [{ noticeMinutes: 1441 }, { noticeMinutes: -1 }, { noticeMinutes: '5' }, { notice: 5 }])
      await expect(fleet.drain('b', body), JSON.stringify(body)).rejects.toMatchObject({ code: 'InvalidParameter' })
    expect((await fleet.shown('b')).state).toBe('Ready')
  })
})

import { describeStores } from '@strongroom/platform/testing'
import { afterEach, expect, it } from 'vitest'
import {
  makeNetwork,
  openTestPlane,
  subscriptionId,
  vmPath,
  vmRequest,
  type TestPlane,
} from '../../../testing/test-plane.ts'

const exchanged = {
  code: 'GuestStateExchanged' as const,
  message: 'The guest state was replaced while the VM ran. Its newest state was kept as guest-state.vmgs.kept.',
  innererror: { found: 'another file', remedy: 'Put it back: mv guest-state.vmgs.kept guest-state.vmgs.' },
}

describeStores('a stop whose VM left something unwritten', (open) => {
  const planes: TestPlane[] = []
  afterEach(async () => {
    for (const plane of planes.splice(0)) await plane.service.close()
  })
  const running = async (): Promise<TestPlane> => {
    const plane = await openTestPlane(await open())
    planes.push(plane)
    await makeNetwork(plane, 'vm1')
    expect((await plane.run('PUT', vmPath('vm1'), vmRequest('vm1'))).operation.status).toBe('Succeeded')
    return plane
  }
  const cores = async (plane: TestPlane): Promise<number> => {
    const path = `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/locations/westeurope/usages`
    return (await plane.send('GET', path)).body.value[0].currentValue as number
  }
  const shown = async (plane: TestPlane): Promise<{ code: string; message?: string }> =>
    (await plane.send('GET', `${vmPath('vm1')}?$expand=instanceView`)).body.properties.instanceView.statuses[1]

  it.each(['powerOff', 'powerOff?skipShutdown=true', 'deallocate'])(
    'fails with the host’s reason and what to do, and does not say that it succeeded: %s (attack H10)',
    async (action) => {
      const plane = await running()
      plane.wire.stopError = exchanged
      const { operation } = await plane.run('POST', `${vmPath('vm1')}/${action}`)
      expect(operation).toMatchObject({ status: 'Failed', error: exchanged })
      expect(await shown(plane)).toMatchObject({ message: `${exchanged.message} ${exchanged.innererror.remedy}` })
    },
  )

  it('has ended all the same: its cores are free, and it stops and starts again', async () => {
    const plane = await running()
    plane.wire.stopError = exchanged
    await plane.run('POST', `${vmPath('vm1')}/deallocate`)
    expect([(await shown(plane)).code, await cores(plane)]).toEqual(['PowerState/deallocated', 0])
    plane.wire.stopError = undefined
    expect((await plane.run('POST', `${vmPath('vm1')}/deallocate`)).operation.status).toBe('Succeeded')
    expect((await plane.run('POST', `${vmPath('vm1')}/start`)).operation.status).toBe('Succeeded')
  })

  it('that is a restart fails with the reason of the start: what lies there is not the newest', async () => {
    const plane = await running()
    plane.wire.bootError = exchanged
    const { operation } = await plane.run('POST', `${vmPath('vm1')}/restart`)
    expect(operation).toMatchObject({ status: 'Failed', error: exchanged })
  })
})

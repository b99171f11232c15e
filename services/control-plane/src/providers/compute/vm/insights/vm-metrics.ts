import { ServiceError } from '@strongroom/platform'
import { ok } from '../../../../arm/request.ts'
import { route, type Route } from '../../../../arm/router.ts'
import { groupPath, type Plane } from '../../../../types/plane.ts'
import { vmType } from '../model/vm-model.ts'
import { vmOfAction } from '../model/vm-record.ts'

const metric = 'VmAvailabilityMetric'
const text = 'VM Availability Metric (Preview)'

/** The only VM metric that the operator can know: whether it runs, now. A guest's use of processors, memory and disks is not observed. */
export function metricRoutes(plane: Plane): Route[] {
  const insights = `${groupPath}/providers/${vmType}/{name}/providers/Microsoft.Insights`
  return [
    route.get(`${insights}/metricDefinitions`, 'Microsoft.Insights/metricDefinitions/read', async (request) => {
      const vm = await vmOfAction(plane, request)
      const definition = {
        id: `${vm.id}/providers/Microsoft.Insights/metricDefinitions/${metric}`,
        resourceId: vm.id,
        namespace: vmType,
        name: { value: metric, localizedValue: text },
        isDimensionRequired: false,
        unit: 'Count',
        primaryAggregationType: 'Average',
        supportedAggregationTypes: ['Average', 'Minimum', 'Maximum'],
        metricAvailabilities: [{ timeGrain: 'PT1M', retention: 'PT1M' }],
        dimensions: [],
      }
      return ok({ value: [definition] })
    }),
    route.get(`${insights}/metrics`, 'Microsoft.Insights/metrics/read', async (request) => {
      const vm = await vmOfAction(plane, request)
      const asked = (request.query['metricnames'] ?? metric).split(',').map((name) => name.trim())
      const other = asked.find((name) => name.toLowerCase() !== metric.toLowerCase())
      if (other !== undefined) throw noMetric(other)
      const at = plane.clock.now()
      at.setUTCSeconds(0, 0)
      const running = (await plane.host.find(vm.internal.vmId))?.power.state === 'Ready' ? 1 : 0
      const data = [{ timeStamp: at.toISOString(), average: running, minimum: running, maximum: running }]
      return ok({
        cost: 0,
        timespan: `${at.toISOString()}/${new Date(at.getTime() + 60_000).toISOString()}`,
        interval: 'PT1M',
        namespace: vmType,
        resourceregion: vm.location,
        value: [
          {
            id: `${vm.id}/providers/Microsoft.Insights/metrics/${metric}`,
            type: 'Microsoft.Insights/metrics',
            name: { value: metric, localizedValue: text },
            unit: 'Count',
            timeseries: [{ metadatavalues: [], data }],
            errorCode: 'Success',
          },
        ],
      })
    }),
  ]
}

const noMetric = (name: string): ServiceError =>
  new ServiceError({
    code: 'BadRequest',
    message:
      'Failed to find metric configuration for provider: Microsoft.Compute, resource Type: virtualMachines, metric: ' +
      `${name.slice(0, 80)}, Valid metrics: ${metric}`,
    target: 'metricnames',
    expected: metric,
    found: name.slice(0, 80),
    remedy: 'Measure inside the guest: the operator cannot look into it.',
  })

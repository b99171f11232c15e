import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { subscriptionPath } from '../../../plane.ts'

const agreements = 'Microsoft.MarketplaceOrdering/agreements'
const offerAgreements = 'Microsoft.MarketplaceOrdering/offerTypes/publishers/offers/plans/agreements'

/**
 * Terms of commercial images (`az vm image terms`). No image of an installation has a plan, so none has terms: each
 * request gets Azure's answer for such an image.
 */
export function marketTermsRoutes(): Route[] {
  const base = `${subscriptionPath}/providers/Microsoft.MarketplaceOrdering`
  const current = `${base}/offerTypes/{offerType}/publishers/{publisher}/offers/{offer}/plans/{plan}/agreements/current`
  const signed = `${base}/agreements/{publisher}/offers/{offer}/plans/{plan}`
  const refuse = async (request: ArmRequest): Promise<ArmReply> => {
    throw noTerms(param(request, 'publisher'), param(request, 'offer'), param(request, 'plan'))
  }
  return [
    route.get(`${base}/agreements`, `${agreements}/read`, async () => ok([])),
    route.get(current, `${offerAgreements}/read`, refuse),
    route.put(current, `${offerAgreements}/write`, refuse),
    route.get(signed, `${agreements}/offers/plans/read`, refuse),
    ...['sign', 'cancel'].map((verb): Route =>
      route.post(`${signed}/${verb}`, `${agreements}/offers/plans/${verb}/action`, refuse),
    ),
  ]
}

function noTerms(publisher: string, offer: string, plan: string): ServiceError {
  const found = [publisher, offer, plan].map((each) => each.slice(0, 60)).join(':')
  return new ServiceError({
    code: 'NotFound',
    message: `Unable to find legal terms for this offer. publisher = '${publisher.slice(0, 60)}', offer = '${offer.slice(0, 60)}', sku = '${plan.slice(0, 60)}'`,
    expected: 'an image with a plan',
    found,
    remedy: 'Images of this installation have no plan and no terms: create the virtual machine without accepting any.',
  })
}

/** A VM's purchase plan, which no image here has: naming one is an error, not ignored. */
export function checkPlan(fields: Fields): void {
  if (!fields.has('plan')) return
  fields.problem({
    code: 'VMMarketplaceInvalidInput',
    message:
      'The part number in the purchase information is not as expected: the image of this virtual machine has no plan.',
    target: fields.at('plan'),
    expected: 'no plan',
    found: fields.object('plan').text('name') ?? 'a plan',
    remedy: 'Leave the plan out: --plan-name, --plan-product, --plan-publisher.',
  })
}

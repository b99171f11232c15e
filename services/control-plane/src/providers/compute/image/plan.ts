import type { Fields } from '../../../arm/fields.ts'

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

import { anyObject, named, object, oneOf, optional, upTo } from '../../shape/index.ts'

/** Kind of subscription. A free trial has few cores and gets no more (S22). */
const subscriptionKinds = ['pay-as-you-go', 'free-trial'] as const
export type SubscriptionKind = (typeof subscriptionKinds)[number]

export const subscriptionKind = named('SubscriptionKind', object({ kind: oneOf(...subscriptionKinds) }))

export const quotaDecision = named(
  'QuotaDecision',
  object({
    /** Shown to the requester. */
    message: optional(upTo(500)),
  }),
)

/** As `Microsoft.Quota/quotaRequests` shows it: Azure's form. */
export const quotaRequest = anyObject

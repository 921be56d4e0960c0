metadata description = 'The function app on a Flex Consumption plan, and who may call it over HTTP.'

@description('Required. Region.')
param location string

@description('Required. Tags of all resources.')
param tags object

@description('Required. What makes names unique.')
param token string

@description('Required. Name of the identity that the app asks Azure by.')
param identityName string

@description('Required. Name of the identity that the app registration trusts instead of a secret.')
param signInIdentityName string

@description('Required. Name of the storage account.')
param storageAccountName string

@description('Required. Container of the app\'s package.')
param deploymentContainer string

@description('Required. Name of the Application Insights component.')
param insightsName string

@description('Required. ARM id of the subnet that the app leaves through; empty: none.')
param subnetId string

@description('Required. Memory of an instance, in MB.')
param instanceMemoryMB int

@description('Required. The most instances.')
param maximumInstanceCount int

@description('Required. Client id of the app registration that people sign in by; empty: who has a function key may call.')
param signInClientId string

@secure()
@description('Required. Webhook that notices go to; empty: none.')
param webhookUrl string

@description('Required. The app\'s own settings, by name.')
param settings object

// What stands in the place of a secret's setting has this name, by which the platform knows what to do.
var secretSetting = 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource signInIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: signInIdentityName
}

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: 'plan-stopgap-${token}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: 'func-stopgap-${token}'
  location: location
  tags: union(tags, { 'azd-service-name': 'stopgap' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
      '${signInIdentity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
      }
    }
    siteConfig: {
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
    }
  }

  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scm 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource appSettings 'config' = {
    name: 'appsettings'
    properties: union(
      settings,
      {
        AzureWebJobsStorage__credential: 'managedidentity'
        AzureWebJobsStorage__clientId: identity.properties.clientId
        AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
        AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
        AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
        APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
        APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
      },
      empty(webhookUrl) ? {} : { STOPGAP_WEBHOOK_URL: webhookUrl },
      empty(signInClientId)
        ? {}
        : {
            '${secretSetting}': signInIdentity.properties.clientId
            WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
          }
    )
  }

  resource authentication 'config' = {
    name: 'authsettingsV2'
    properties: {
      platform: { enabled: !empty(signInClientId) }
      globalValidation: {
        requireAuthentication: true
        redirectToProvider: 'azureActiveDirectory'
        unauthenticatedClientAction: 'RedirectToLoginPage'
        // Event Grid has the extension's system key, which the host itself checks.
        excludedPaths: ['/runtime/webhooks/eventgrid']
      }
      httpSettings: { requireHttps: true }
      identityProviders: empty(signInClientId)
        ? {}
        : {
            azureActiveDirectory: {
              enabled: true
              registration: {
                clientId: signInClientId
                clientSecretSettingName: secretSetting
                openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
              }
              validation: { allowedAudiences: [signInClientId, 'api://${signInClientId}'] }
            }
          }
      login: { tokenStore: { enabled: false } }
    }
    // Each of the two restarts the app: one after the other.
    dependsOn: [appSettings]
  }
}

@description('Name of the function app.')
output name string = app.name

@description('Its ARM id.')
output id string = app.id

@description('Its address.')
output address string = 'https://${app.properties.defaultHostName}'

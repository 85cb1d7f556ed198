//! Waits for whatever may change the model; decides nothing.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;

use super::acks::AckWatch;
use super::admission::ReviewRequest;
use super::cluster::ClusterLink;
use super::controller::Controller;
use super::error::ControlError;
use super::explain::ExplainerRequest;
use super::feed::{Delivery, DirectoryFeed, Feed, KubernetesFeed};
use super::resolve::Resolver;
use crate::limits::EXPLANATIONS_WAITING_MAX;

/// Waits for whatever may change the model and passes it on.
pub struct ControlLoop {
    controller: Controller,
    feed: Feed,
    /// Zone of this process, once it is known; never without a cluster.
    zone: watch::Receiver<Option<Arc<str>>>,
    /// Closed where there is no admission webhook.
    reviews: mpsc::Receiver<ReviewRequest>,
    /// Both ends: others ask while there is somebody to ask.
    explaining: (mpsc::Sender<ExplainerRequest>, mpsc::Receiver<ExplainerRequest>),
    resolver: Resolver,
    acks: AckWatch,
}

impl ControlLoop {
    /// Follows a directory.
    ///
    /// Shape: within a Tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The operator is at fault: the directory is missing or closed.
    pub fn directory(controller: Controller, directory: &Path) -> Result<Self, ControlError> {
        let (_, zone) = watch::channel(None);
        let (_, reviews) = mpsc::channel(1);
        let feed = Box::new(DirectoryFeed::start(directory)?);
        Self::start(controller, Feed::Directory(feed), zone, reviews)
    }

    /// Follows an API server.
    ///
    /// Shape: as [`Self::directory`].
    ///
    /// # Errors
    /// [`ControlError::Doorbells`].
    pub fn cluster(
        controller: Controller,
        link: ClusterLink,
        reviews: mpsc::Receiver<ReviewRequest>,
    ) -> Result<Self, ControlError> {
        let ClusterLink { batches, zone } = link;
        Self::start(controller, Feed::Kubernetes(KubernetesFeed::new(batches)), zone, reviews)
    }

    fn start(
        controller: Controller,
        feed: Feed,
        zone: watch::Receiver<Option<Arc<str>>>,
        reviews: mpsc::Receiver<ReviewRequest>,
    ) -> Result<Self, ControlError> {
        let acks = AckWatch::new(controller.publisher()).map_err(ControlError::Doorbells)?;
        let explaining = mpsc::channel(EXPLANATIONS_WAITING_MAX);
        let resolver = Resolver::default();
        Ok(Self { controller, feed, zone, reviews, explaining, resolver, acks })
    }

    /// Works until something breaks that cannot be repaired. Safe to cancel and to call again.
    ///
    /// # Errors
    /// [`ControlError::Core`], [`ControlError::ClusterThread`]; the process must end.
    pub async fn run(&mut self) -> Result<std::convert::Infallible, ControlError> {
        loop {
            self.turn().await?;
        }
    }

    /// Works until every core has finished its drain. Safe to cancel.
    ///
    /// # Errors
    /// As [`Self::run`], unless the core ended because its drain did.
    pub async fn run_until_drained(&mut self) -> Result<(), ControlError> {
        while !self.controller.publisher().all_drained() {
            match self.turn().await {
                Err(_ended) if self.controller.publisher().all_drained() => break,
                other => other?,
            }
        }
        Ok(())
    }

    /// Has the whole source read again, soon. False: an API server tells changes by itself.
    pub fn reread(&mut self) -> bool {
        self.feed.reread()
    }

    /// For those who ask what objects have to do with a rule.
    #[must_use]
    pub fn asking(&self) -> mpsc::Sender<ExplainerRequest> {
        self.explaining.0.clone()
    }

    /// The deciding half.
    pub fn controller_mut(&mut self) -> &mut Controller {
        &mut self.controller
    }

    async fn turn(&mut self) -> Result<(), ControlError> {
        let now = std::time::Instant::now;
        let opening_due = self.controller.opening_due();
        tokio::select! {
            delivery = self.feed.next() => match delivery? {
                Delivery::Changes { changes, since } => {
                    self.controller.on_changes(changes, since);
                    self.resolver.want(self.controller.external_names());
                }
                Delivery::Problems(problems) => self.controller.on_source_problems(problems),
            },
            Ok(()) = self.zone.changed() => {
                let zone = self.zone.borrow_and_update().clone();
                self.controller.on_zone(zone, now());
            }
            Some(request) = self.reviews.recv() => self.controller.review(request),
            Some(request) = self.explaining.1.recv() => self.controller.explain(request),
            answer = self.resolver.answer() => {
                self.controller.on_answer(answer, now());
            }
            () = sleep_until(opening_due.unwrap_or_else(now).into()), if opening_due.is_some() => {
                self.controller.on_opening_due(now());
            }
            acknowledged = self.acks.changed() => {
                acknowledged?;
                self.controller.on_acknowledged(now());
            }
        }
        Ok(())
    }
}
